// State: the tensors of a model and its optimizer that a rank saves to, or loads from, a
// checkpoint; the counterpart of PyTorch's state_dict.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ripieno/core/tensor.h"

namespace ripieno::io {

enum class StateKind { parameter, buffer, optimizer };

// "parameter", "buffer", "optimizer".
std::string_view name_of(StateKind kind);

// A tensor of the model, of which this rank holds the contiguous range of elements
// begin <= i < begin + count(), row-major.
struct StateTensor {
  std::string name;  // "blocks.0.attention.qkv.weight"; optimizer state: "first_moment/blocks.0…"
  StateKind kind;
  DType dtype;
  Shape shape;        // of the whole tensor
  int64_t begin = 0;  // first element held by this rank
  // The elements held by this rank, contiguous, on any device; undefined or empty if there are
  // none. Checkpoint::load() also fills tensors that are not contiguous.
  Tensor part;
  bool sharded = false;  // ranks hold different ranges; false: every rank holds the whole tensor

  // Number of elements held by this rank.
  int64_t count() const { return part.defined() ? part.elements() : 0; }
};

using State = std::vector<StateTensor>;

// The state of a tensor that this rank holds as a whole.
StateTensor state_of(const std::string& name, StateKind kind, const Tensor& whole);

// The share of a state that rank `rank` of `size` saves. Tensors that all ranks hold are divided
// between the ranks into contiguous ranges with about the same number of bytes per rank; of sharded
// tensors each rank saves what it holds. The result lists every tensor, possibly with an empty
// part; parts are views. Throws Error if a tensor that is not `sharded` is incomplete.
State share_of(const State& whole, int rank, int size);

}  // namespace ripieno::io
