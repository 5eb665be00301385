// State: what a checkpoint holds of a model and its optimizer, as a rank writes it or wants it
// filled.
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

// The run of elements begin <= i < begin + part.elements(), row-major, of one tensor.
struct StateTensor {
  std::string name;  // "blocks.0.attention.qkv.weight"; of an optimizer "first_moment/blocks.0…"
  StateKind kind;
  DType dtype;
  Shape shape;  // of the whole tensor
  int64_t begin = 0;
  // Dense, on any device; undefined or without elements where this rank has none of it.
  Tensor part;
  bool sharded = false;  // other ranks have other parts; else each has what this one has

  int64_t count() const { return part.defined() ? part.elements() : 0; }
};

using State = std::vector<StateTensor>;

// A whole tensor.
StateTensor state_of(const std::string& name, StateKind kind, const Tensor& whole);

// What rank `rank` of `size` writes of a state. What all ranks have whole is shared out:
// contiguous, and as many bytes as the others'; of what is sharded each writes what it has. It
// names every tensor, also those of which it has no elements; its parts are views.
State share_of(const State& whole, int rank, int size);

}  // namespace ripieno::io
