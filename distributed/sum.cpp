#include "ripieno/distributed/sum.h"

#include <algorithm>
#include <string>

#include "ripieno/core/error.h"

namespace ripieno::distributed {
namespace {

// The sums of a block stay in the first cache while the parts pass by.
constexpr int64_t kBlock = 1024;

template <typename T, typename Total>
void add_parts(T* out, std::span<const void* const> parts, int64_t elements) {
  alignas(64) Total total[kBlock];
  for (int64_t begin = 0; begin < elements; begin += kBlock) {
    const int64_t count = std::min(kBlock, elements - begin);
    const T* first = static_cast<const T*>(parts.front()) + begin;
    for (int64_t i = 0; i < count; ++i) total[i] = static_cast<Total>(first[i]);
    for (const void* part : parts.subspan(1)) {
      const T* next = static_cast<const T*>(part) + begin;
      for (int64_t i = 0; i < count; ++i) total[i] += static_cast<Total>(next[i]);
    }
    for (int64_t i = 0; i < count; ++i) out[begin + i] = static_cast<T>(total[i]);
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

void sum_in_order(DType dtype, void* out, std::span<const void* const> parts, int64_t elements) {
  switch (dtype) {
    case DType::float32:
      return add_parts<float, float>(static_cast<float*>(out), parts, elements);
    case DType::float64:
      return add_parts<double, double>(static_cast<double*>(out), parts, elements);
    case DType::bfloat16:
      return add_parts<bfloat16, float>(static_cast<bfloat16*>(out), parts, elements);
    case DType::float16:
      return add_parts<float16, float>(static_cast<float16*>(out), parts, elements);
    case DType::int64:  // unsigned, so that overflow wraps around
      return add_parts<uint64_t, uint64_t>(static_cast<uint64_t*>(out), parts, elements);
    default:
      fail("sum: " + std::string(name_of(dtype)) +
           " cannot be summed across ranks; use float32, float64, bfloat16, float16 or int64");
  }
}

}  // namespace ripieno::distributed
