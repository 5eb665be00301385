// Collective: describes one call (operation, element type, size, root), for error messages and to
// detect ranks that call different collectives. For implementers of a Communicator.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "ripieno/core/tensor.h"
#include "ripieno/core/trace.h"

namespace ripieno::distributed {

struct Collective {
  enum class Kind : int32_t {
    all_reduce,
    reduce_scatter,
    all_gather,
    all_to_all,
    broadcast,
    barrier,
    duplicate,
    split,
    shared_memory,
    replayed_step  // of all ranks (Communicator::replay)
  };

  Kind kind = Kind::barrier;
  DType dtype = DType::float32;
  int32_t root = 0;
  // Elements of the tensor; per rank for reduce_scatter, all_gather and all_to_all; bytes for
  // shared_memory.
  int64_t elements = 0;

  std::size_t element_bytes() const { return size_of(dtype); }
  std::size_t bytes() const { return static_cast<std::size_t>(elements) * element_bytes(); }
  bool operator==(const Collective&) const = default;
};

// The description of a collective of these tensors among `size` ranks. Each throws Error if the
// tensors are undefined or not contiguous, do not match in element type or size, have an element
// type that cannot be summed, or if `root` is not in [0, size).
Collective all_reduce_of(const Tensor& x);
Collective reduce_scatter_of(const Tensor& out, const Tensor& in, int size);
Collective all_gather_of(const Tensor& out, const Tensor& in, int size);
Collective all_to_all_of(const Tensor& out, const Tensor& in, int size);
Collective broadcast_of(const Tensor& x, int root, int size);

// Throws Error if `color`, an argument of split(), is negative.
void require_color(int color);

// "all_reduce"
std::string_view name_of(Collective::Kind kind);
// "all_reduce of 1001 float32"
std::string to_string(const Collective& collective);
// called: (size). Throws Error that names two ranks and their calls unless all are equal.
void require_same(std::span<const Collective> called);

// The identity of a group of ranks, the same on all of them, and the number of its collectives, for
// trace.h.
class TracedGroup {
 public:
  uint32_t id() const { return id_; }
  // The trace event of the next collective of the group.
  trace::Event next(const Collective& collective, int rank, int size);
  // The identity of a group made from this one by a collective: `color` as in split(). The n-th
  // child of a group has the same identity on all ranks.
  TracedGroup child(int color);

 private:
  uint32_t id_ = 1;
  uint32_t children_ = 0;
  uint64_t sequence_ = 0;
};

// A contiguous range of `elements`, which one of `size` ranks sums. The ranges follow each other in
// rank order; their lengths differ by at most one.
struct Slice {
  int64_t begin = 0;
  int64_t elements = 0;
};
Slice slice_of(int64_t elements, int rank, int size);

}  // namespace ripieno::distributed
