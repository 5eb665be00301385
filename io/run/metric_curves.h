// Metric curves: what the report shows of metrics.jsonl, in memory that does not grow with the
// number of steps. Not installed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ripieno/io/run/metrics.h"
#include "ripieno/io/run/report_chart.h"

namespace ripieno::io {

// One metric over the steps. Up to kMostStretches values are all kept; of more, the lowest, the
// highest and the mean of each stretch of steps.
class MetricCurve {
 public:
  static constexpr std::size_t kMostStretches = 4096;

  // In the order of steps.
  void add(int64_t step, double value);

  int64_t count() const { return count_; }
  ChartPoint last() const { return last_; }
  ChartPoint least() const { return least_; }
  std::vector<ChartPoint> extremes() const;
  std::vector<ChartPoint> means() const;

 private:
  struct Stretch {
    ChartPoint low, high;
    double last_x = 0;
    double sum = 0;
    int64_t count = 0;
  };
  void merge_pairs();

  std::vector<Stretch> stretches_;
  int64_t length_ = 1;  // values in a stretch
  int64_t count_ = 0;
  ChartPoint last_, least_;
};

class MetricCurves {
 public:
  // In the order of steps.
  void add(const StepMetrics& metrics);

  // Null where nothing finite was measured under that name.
  const MetricCurve* find(std::string_view name) const;
  // In the order in which they were first seen.
  const std::vector<std::pair<std::string, MetricCurve>>& all() const { return curves_; }

  int64_t last_step() const { return last_step_; }
  // Where the loss or the validation's was not finite: the first steps, and how many there are.
  const std::vector<int64_t>& not_finite() const { return not_finite_; }
  int64_t not_finite_count() const { return not_finite_count_; }

  // Seconds of each phase, summed over the steps that have them, in the order of a step.
  const std::vector<std::pair<std::string, double>>& seconds() const { return seconds_; }
  int64_t timed_steps() const { return timed_steps_; }

 private:
  void add_seconds(const std::vector<std::pair<std::string, double>>& seconds);

  std::vector<std::pair<std::string, MetricCurve>> curves_;
  std::vector<int64_t> not_finite_;
  int64_t not_finite_count_ = 0;
  int64_t last_step_ = 0;
  std::vector<std::pair<std::string, double>> seconds_;
  int64_t timed_steps_ = 0;
};

}  // namespace ripieno::io
