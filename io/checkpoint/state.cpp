#include "ripieno/io/checkpoint/state.h"

#include <fmt/format.h>

#include <algorithm>

#include "ripieno/core/error.h"

namespace ripieno::io {

std::string_view name_of(StateKind kind) {
  switch (kind) {
    case StateKind::parameter:
      return "parameter";
    case StateKind::buffer:
      return "buffer";
    case StateKind::optimizer:
      return "optimizer";
  }
  fail("unknown kind of state");
}

StateTensor state_of(const std::string& name, StateKind kind, const Tensor& whole) {
  return {
      .name = name, .kind = kind, .dtype = whole.dtype(), .shape = whole.shape(), .part = whole};
}

State share_of(const State& whole, int rank, int size) {
  if (size < 1 || rank < 0 || rank >= size)
    fail(fmt::format("share_of: rank {} is outside 0 .. size - 1 for size {}", rank, size));
  int64_t total = 0;
  for (const StateTensor& tensor : whole) {
    if (tensor.sharded) continue;
    if (tensor.part.elements() != tensor.shape.elements())
      fail(
          fmt::format("share_of: {} has shape {}, but its part has {} elements; pass the whole "
                      "tensor, or set `sharded`",
                      tensor.name, to_string(tensor.shape), tensor.part.elements()));
    total += static_cast<int64_t>(tensor.part.bytes());
  }
  // Computed in two terms to avoid overflow.
  const auto bound = [&](int64_t r) { return total / size * r + total % size * r / size; };
  const int64_t begin = bound(rank), end = bound(rank + 1);

  State share = whole;
  int64_t before = 0;  // bytes of all tensors before the current one
  for (StateTensor& tensor : share) {
    if (tensor.sharded) continue;
    const auto element = static_cast<int64_t>(size_of(tensor.dtype));
    const int64_t elements = tensor.shape.elements();
    const auto index_at = [&](int64_t byte) {  // an element belongs to the rank of its first byte
      return std::clamp<int64_t>((byte - before + element - 1) / element, 0, elements);
    };
    const int64_t first = index_at(begin), last = index_at(end);
    tensor.begin = first;
    tensor.part = tensor.part.reshape({elements}).slice(0, first, last);
    before += elements * element;
  }
  return share;
}

}  // namespace ripieno::io
