// Histogram: the distribution of the values of a tensor, for event files.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace ripieno::io {

// Buckets in ascending order, four per power of two; runs of empty ones are one bucket. Values that
// are not finite are only counted.
struct Histogram {
  int64_t count = 0;  // of finite values
  int64_t not_finite = 0;
  double least = 0, greatest = 0;
  double sum = 0, sum_of_squares = 0;
  std::vector<double> limits = {};  // the upper end of each bucket
  std::vector<double> counts = {};
};

// Of values[i] * scale, with scale > 0.
Histogram histogram_of(std::span<const float> values, double scale = 1);

}  // namespace ripieno::io
