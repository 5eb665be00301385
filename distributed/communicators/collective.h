// Collective: what every rank must call alike; made from checked tensors, for messages, and to
// notice where the ranks differ.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "ripieno/core/tensor.h"

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
    shared_memory
  };

  Kind kind = Kind::barrier;
  DType dtype = DType::float32;
  int32_t root = 0;
  int64_t elements = 0;  // of one rank's part, where the ranks have parts

  std::size_t element_bytes() const { return size_of(dtype); }
  std::size_t bytes() const { return static_cast<std::size_t>(elements) * element_bytes(); }
  bool operator==(const Collective&) const = default;
};

// The collectives of these tensors in a group of `size`. Throw Error where they cannot be.
Collective all_reduce_of(const Tensor& x);
Collective reduce_scatter_of(const Tensor& out, const Tensor& in, int size);
Collective all_gather_of(const Tensor& out, const Tensor& in, int size);
Collective all_to_all_of(const Tensor& out, const Tensor& in, int size);
Collective broadcast_of(const Tensor& x, int root, int size);

// Throws Error for a color that split() does not take.
void require_color(int color);

// "all_reduce"
std::string_view name_of(Collective::Kind kind);
// "all_reduce of 1001 float32"
std::string to_string(const Collective& collective);
// Throws Error unless all ranks called the same.
void require_same(std::span<const Collective> called);

// The elements, of all, that one rank of `size` adds up.
struct Slice {
  int64_t begin = 0;
  int64_t elements = 0;
};
Slice slice_of(int64_t elements, int rank, int size);

}  // namespace ripieno::distributed
