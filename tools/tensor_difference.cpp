#include "ripieno/tools/tensor_difference.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "ripieno/core/error.h"

namespace ripieno::tools {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr int64_t kChunk = 1 << 16;  // elements converted to float64 at a time

struct Sums {
  double difference = 0, a = 0;  // of squares
};

void add(double a, double b, TensorDifference& difference, Sums& sums) {
  if (a == b || (std::isnan(a) && std::isnan(b))) {
    if (std::isfinite(a)) sums.a += a * a;
    return;
  }
  const double apart = std::abs(a - b);
  ++difference.differing;
  difference.largest = std::max(difference.largest, std::isnan(apart) ? kInfinity : apart);
  sums.difference += std::isnan(apart) ? kInfinity : apart * apart;
  sums.a += std::isfinite(a) ? a * a : 0;
}

bool has_same_bits(const Tensor& a, const Tensor& b) {
  return a.dtype() == b.dtype() && std::memcmp(a.raw_data(), b.raw_data(), a.bytes()) == 0;
}

}  // namespace

TensorDifference difference_of(const Tensor& a, const Tensor& b) {
  if (a.shape() != b.shape())
    fail("difference_of: a is " + to_string(a.shape()) + ", b is " + to_string(b.shape()) +
         "; they must match");
  TensorDifference difference;
  const int64_t elements = a.elements();
  difference.is_bitwise_equal = elements == 0 ? a.dtype() == b.dtype() : has_same_bits(a, b);
  if (difference.is_bitwise_equal) return difference;
  const Tensor flat_a = a.reshape({elements}), flat_b = b.reshape({elements});
  Sums sums;
  for (int64_t begin = 0; begin < elements; begin += kChunk) {
    const int64_t end = std::min(begin + kChunk, elements);
    const Tensor chunk_a = flat_a.slice(0, begin, end).to(DType::float64);
    const Tensor chunk_b = flat_b.slice(0, begin, end).to(DType::float64);
    for (int64_t i = 0; i < end - begin; ++i)
      add(chunk_a.data<double>()[i], chunk_b.data<double>()[i], difference, sums);
  }
  if (sums.difference > 0) difference.relative = std::sqrt(sums.difference / sums.a);
  return difference;
}

}  // namespace ripieno::tools
