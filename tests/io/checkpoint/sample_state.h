// A small state with every element type, and functions to save and load it on several ranks, for
// tests.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "ripieno/io/checkpoint/checkpoint.h"

namespace ripieno::io {

// States of different `version` have the same names and shapes but different values.
inline State sample_state(int version) {
  State state;
  const auto add = [&](const std::string& name, StateKind kind, DType dtype, const Shape& shape) {
    std::vector<double> values;
    for (int64_t i = 0; i < shape.elements(); ++i)
      values.push_back(static_cast<double>((i * 7 + version * 3 + std::ssize(state)) % 31));
    Tensor whole(shape, dtype);
    whole.copy_from(Tensor::of(shape, values));
    state.push_back(state_of(name, kind, whole));
  };
  add("embedding.weight", StateKind::parameter, DType::float32, {7, 3, 5});
  add("blocks.0.weight", StateKind::parameter, DType::bfloat16, {33, 3});
  add("blocks.0.bias", StateKind::parameter, DType::float16, {31});
  add("scale", StateKind::parameter, DType::float32, {});
  add("nothing", StateKind::parameter, DType::float32, {0, 4});
  add("seen", StateKind::buffer, DType::int64, {5});
  add("mask", StateKind::buffer, DType::uint8, {3, 3});
  add("counts", StateKind::buffer, DType::int32, {2, 1, 2});
  add("first_moment/embedding.weight", StateKind::optimizer, DType::float64, {7, 3, 5});
  add("flags", StateKind::buffer, DType::boolean, {31});
  return state;
}

// The same names and shapes, filled with values that do not occur in samples.
inline State blank_state(const State& like) {
  State blank = like;
  for (StateTensor& tensor : blank) {
    tensor.part = Tensor(tensor.part.shape(), tensor.dtype);
    tensor.part.fill(tensor.dtype == DType::boolean ? 0.0 : 99.0);
  }
  return blank;
}

inline std::vector<std::vector<double>> numbers_of(const State& state) {
  std::vector<std::vector<double>> numbers;
  for (const StateTensor& tensor : state)
    numbers.push_back(tensor.part.to(DType::float64).to_vector<double>());
  return numbers;
}

inline nlohmann::json training_state(int version) {
  return {{"position", version * 1000}, {"rate", 0.1 * version}, {"note", "é \"quoted\"\n"}};
}

// Saves on every rank in turn, rank 0 last. Throws the last StorageError of any rank.
inline void save_on_ranks(FileSystem& files, const std::string& directory, int64_t step, int size,
                          const State& state, const std::string& attempt, int keep = 3,
                          CommitMode commit = CommitMode::rename) {
  std::exception_ptr failure;
  for (int rank = size - 1; rank >= 0; --rank) {
    try {
      save_checkpoint(files, directory, step, share_of(state, rank, size),
                      training_state(static_cast<int>(step)),
                      {.rank = rank,
                       .size = size,
                       .attempt = attempt,
                       .timeout_seconds = 0,
                       .commit = commit,
                       .keep = {.newest = keep}});
    } catch (const StorageError&) {
      failure = std::current_exception();
    }
  }
  if (failure != nullptr) std::rethrow_exception(failure);
}

// The values in the checkpoint at `path`.
inline std::vector<std::vector<double>> numbers_in(const FileSystem& files,
                                                   const std::string& path) {
  State loaded = blank_state(sample_state(0));
  Checkpoint::open(files, path).load(loaded);
  return numbers_of(loaded);
}

}  // namespace ripieno::io
