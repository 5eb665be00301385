#include "ripieno/io/run/histogram.h"

#include <algorithm>
#include <bit>
#include <limits>

namespace ripieno::io {
namespace {

// The exponent of a float and the first two bits of its mantissa: four buckets per power of two.
constexpr int kDroppedBits = 21;
constexpr uint32_t kBuckets = 0xff << 2;  // per sign; above are infinity and NaN
constexpr uint32_t kSign = 0x80000000;

// The least magnitude of a bucket, which is the end of the one before.
double edge(uint32_t bucket) {
  if (bucket == kBuckets) return double{std::numeric_limits<float>::max()};
  return double{std::bit_cast<float>(bucket << kDroppedBits)};
}

// Adds a bucket, and an empty one for the gap between it and the one before.
void add_bucket(Histogram& histogram, double lower, double upper, int64_t count, double scale) {
  if (count == 0) return;
  const double begin = lower * scale;
  if (!histogram.limits.empty() && histogram.limits.back() < begin) {
    histogram.limits.push_back(begin);
    histogram.counts.push_back(0);
  }
  histogram.limits.push_back(upper * scale);
  histogram.counts.push_back(static_cast<double>(count));
}

}  // namespace

Histogram histogram_of(std::span<const float> values, double scale) {
  Histogram histogram;
  std::vector<int64_t> positive(kBuckets), negative(kBuckets);
  float least = std::numeric_limits<float>::max(), greatest = -least;
  for (const float value : values) {
    const auto bits = std::bit_cast<uint32_t>(value);
    const uint32_t bucket = (bits & ~kSign) >> kDroppedBits;
    if (bucket >= kBuckets) continue;
    ++(bits & kSign ? negative : positive)[bucket];
    ++histogram.count;
    least = std::min(least, value);
    greatest = std::max(greatest, value);
    histogram.sum += double{value};
    histogram.sum_of_squares += double{value} * double{value};
  }
  histogram.not_finite = static_cast<int64_t>(values.size()) - histogram.count;
  if (histogram.count == 0) return histogram;
  for (uint32_t i = kBuckets; i-- > 0;)
    add_bucket(histogram, -edge(i + 1), -edge(i), negative[i], scale);
  for (uint32_t i = 0; i < kBuckets; ++i)
    add_bucket(histogram, edge(i), edge(i + 1), positive[i], scale);
  histogram.least = double{least} * scale;
  histogram.greatest = double{greatest} * scale;
  histogram.sum *= scale;
  histogram.sum_of_squares *= scale * scale;
  return histogram;
}

}  // namespace ripieno::io
