#include "ripieno/io/run/histogram.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace ripieno::io {
namespace {

TEST(Histogram, HasEachFiniteValueInItsBucket) {
  const float values[] = {-3.0f, 0.0f, 1.0f, 1.1f, 100.0f, NAN, INFINITY};
  const Histogram histogram = histogram_of(values, 2);
  EXPECT_EQ(histogram.count, 5);
  EXPECT_EQ(histogram.not_finite, 2);
  EXPECT_EQ(histogram.least, -6);
  EXPECT_EQ(histogram.greatest, 200);
  EXPECT_TRUE(std::is_sorted(histogram.limits.begin(), histogram.limits.end()));
  EXPECT_EQ(std::accumulate(histogram.counts.begin(), histogram.counts.end(), 0.0), 5);
  const auto bucket = std::find(histogram.limits.begin(), histogram.limits.end(), 2.5);
  ASSERT_NE(bucket, histogram.limits.end());  // of 1.0 and 1.1, scaled
  EXPECT_EQ(histogram.counts[static_cast<std::size_t>(bucket - histogram.limits.begin())], 2);
}

TEST(Histogram, OfNoFiniteValueIsEmpty) {
  const float values[] = {NAN};
  EXPECT_TRUE(histogram_of(values).limits.empty());
}

}  // namespace
}  // namespace ripieno::io
