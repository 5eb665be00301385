#include "ripieno/distributed/communicators/sum.h"

#include <algorithm>
#include <string>

#include "ripieno/core/error.h"

namespace ripieno::distributed {
namespace {

// Elements per block: its partial sums stay in the L1 cache while the parts are added.
constexpr int64_t kBlock = 1024;

using Outs = std::span<void* const>;
using Parts = std::span<const void* const>;

// total = a + b
template <typename T, typename Total>
void add_two(Total* total, const T* a, const T* b, int64_t count) {
  for (int64_t i = 0; i < count; ++i)
    total[i] = static_cast<Total>(a[i]) + static_cast<Total>(b[i]);
}

template <typename T, typename Total>
void add_parts(Outs outs, Parts parts, int64_t elements) {
  alignas(64) Total total[kBlock];
  for (int64_t begin = 0; begin < elements; begin += kBlock) {
    const int64_t count = std::min(kBlock, elements - begin);
    const auto part = [&](std::size_t i) { return static_cast<const T*>(parts[i]) + begin; };
    if (parts.size() == 1) {
      const T* only = part(0);
      for (int64_t k = 0; k < count; ++k) total[k] = static_cast<Total>(only[k]);
    } else {
      add_two(total, part(0), part(1), count);
    }
    for (std::size_t i = 2; i < parts.size(); ++i) {
      const T* next = part(i);
      for (int64_t k = 0; k < count; ++k) total[k] += static_cast<Total>(next[k]);
    }
    for (void* out : outs) {
      T* result = static_cast<T*>(out) + begin;
      for (int64_t k = 0; k < count; ++k) result[k] = static_cast<T>(total[k]);
    }
  }
}

}  // namespace

bool has_sum(DType dtype) {
  switch (dtype) {
    case DType::float32:
    case DType::float64:
    case DType::bfloat16:
    case DType::float16:
    case DType::int64:
      return true;
    default:
      return false;
  }
}

void sum_in_order(DType dtype, void* out, Parts parts, int64_t elements) {
  sum_in_order(dtype, Outs(&out, 1), parts, elements);
}

void sum_in_order(DType dtype, Outs outs, Parts parts, int64_t elements) {
  switch (dtype) {
    case DType::float32:
      return add_parts<float, float>(outs, parts, elements);
    case DType::float64:
      return add_parts<double, double>(outs, parts, elements);
    case DType::bfloat16:
      return add_parts<bfloat16, float>(outs, parts, elements);
    case DType::float16:
      return add_parts<float16, float>(outs, parts, elements);
    case DType::int64:  // unsigned, so that overflow wraps around
      return add_parts<uint64_t, uint64_t>(outs, parts, elements);
    default:
      fail("sum: cannot sum " + std::string(name_of(dtype)) +
           "; the element type must be float32, float64, bfloat16, float16 or int64");
  }
}

}  // namespace ripieno::distributed
