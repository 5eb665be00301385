// LossCurve: one metric as a function of the step, in memory that does not grow with the run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "ripieno/io/run/report_chart.h"

namespace ripieno::tools::watch {

// Keeps the mean of each bin of consecutive steps. When there would be more than kMostBins, bins
// become twice as wide.
class LossCurve {
 public:
  static constexpr std::size_t kMostBins = 2048;

  // Must be called in the order of steps.
  void add(int64_t step, double value);
  // Removes what lies after `step`, because the run went back to it.
  void cut(int64_t step);

  bool empty() const { return bins_.empty(); }
  // Mean of each bin, at its last step; only finite values.
  std::vector<io::ChartPoint> points() const;

 private:
  struct Bin {
    int64_t number = 0, last_step = 0;
    double sum = 0;
    int64_t count = 0;
  };
  void double_width();

  std::vector<Bin> bins_;
  int64_t width_ = 1;  // of a bin, in steps
};

}  // namespace ripieno::tools::watch
