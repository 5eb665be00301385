// The program that power_cut.py runs on a disk whose power it cuts.
//
//   save_until_cut save DIRECTORY RANKS FIRST KILOBYTES rename|manifest
//     saves numbered states, beginning with FIRST, until storage fails; each step is saved twice.
//     Prints the number of a save once the calls of all ranks have returned.
//   save_until_cut check DIRECTORY
//     prints the number of the save in the newest intact checkpoint, or 0 if there is none. Exits
//     with 1 if it contains other values than were saved.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <nlohmann/json.hpp>
#include <string_view>
#include <thread>
#include <vector>

#include "ripieno/core/error.h"
#include "ripieno/io/checkpoint/checkpoint.h"
#include "ripieno/io/checkpoint/commit_mode.h"

namespace ripieno::io {
namespace {

// Differs between any two saves, in every element.
float value(int64_t save, int64_t i) {
  return static_cast<float>((save * 2654435761 + i * 40503) % 16777213);
}

State numbered_state(int64_t save, const Shape& matrix) {
  State state;
  for (const Shape& shape : {matrix, Shape{31}, Shape{}}) {
    const Tensor whole(shape, DType::float32);
    for (int64_t i = 0; i < shape.elements(); ++i) whole.data<float>()[i] = value(save, i);
    state.push_back(state_of("axes_" + std::to_string(shape.rank()), StateKind::parameter, whole));
  }
  return state;
}

// False if storage failed on any rank.
bool save_on_all_ranks(const std::string& directory, int ranks, int64_t save, const State& state,
                       CommitMode commit) {
  std::vector<std::thread> threads;
  std::vector<char> saved(static_cast<std::size_t>(ranks));
  const nlohmann::json training_state = {{"save", save}};
  for (int rank = 0; rank < ranks; ++rank) {
    threads.emplace_back([&, rank] {
      try {
        save_checkpoint(local_files(), directory, save / 2, share_of(state, rank, ranks),
                        training_state,
                        {.rank = rank,
                         .size = ranks,
                         .attempt = fmt::format("{}_{}", ::getpid(), save),
                         .timeout_seconds = 5,
                         .commit = commit});
        saved[static_cast<std::size_t>(rank)] = 1;
      } catch (const StorageError& error) {
        std::fprintf(stderr, "%s\n", error.what());
      }
    });
  }
  for (auto& thread : threads) thread.join();
  return std::find(saved.begin(), saved.end(), 0) == saved.end();
}

void save_until_cut(const std::string& directory, int ranks, int64_t first, int64_t kilobytes,
                    CommitMode commit) {
  for (int64_t save = first;; ++save) {
    const State state = numbered_state(save, {kilobytes, 256});
    if (!save_on_all_ranks(directory, ranks, save, state, commit)) return;
    std::printf("%ld\n", static_cast<long>(save));
    std::fflush(stdout);
  }
}

int check(const std::string& directory) {
  const Found found = newest_intact(local_files(), directory);
  for (const std::string& line : found.rejected) std::fprintf(stderr, "%s\n", line.c_str());
  if (!found.path) {
    std::printf("0\n");
    return 0;
  }
  const auto checkpoint = Checkpoint::open(local_files(), *found.path);
  const int64_t save = checkpoint.training_state().at("save");
  const State expected = numbered_state(save, checkpoint.tensors().front().shape);
  State loaded = numbered_state(save + 1, checkpoint.tensors().front().shape);
  checkpoint.load(loaded);
  for (std::size_t i = 0; i < loaded.size(); ++i) {
    if (loaded[i].part.to_vector<float>() == expected[i].part.to_vector<float>()) continue;
    std::fprintf(stderr, "%s contains other values than were saved\n", found.path->c_str());
    return 1;
  }
  std::printf("%ld\n", static_cast<long>(save));
  return 0;
}

}  // namespace
}  // namespace ripieno::io

int main(int argc, char** argv) {
  using namespace ripieno::io;
  try {
    if (argc == 7 && argv[1] == std::string_view("save")) {
      save_until_cut(argv[2], std::atoi(argv[3]), std::atol(argv[4]), std::atol(argv[5]),
                     commit_mode_named(argv[6]).value());
      return 0;
    }
    if (argc == 3 && argv[1] == std::string_view("check")) return check(argv[2]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "save_until_cut: %s\n", error.what());
    return 2;
  }
  return 64;
}
