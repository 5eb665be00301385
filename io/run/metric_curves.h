// MetricCurves: a summary of metrics.jsonl for the report, in memory that does not grow with the
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

// One metric as a function of the step. Keeps all values up to kMostBins; if there are more,
// keeps the minimum, maximum and mean of each bin of consecutive values.
class MetricCurve {
 public:
  static constexpr std::size_t kMostBins = 4096;

  // Must be called in the order of steps.
  void add(int64_t step, double value);

  // Number of values added.
  int64_t count() const { return count_; }
  ChartPoint last() const { return last_; }
  ChartPoint least() const { return least_; }
  // Minimum and maximum of each bin, ordered by step; all values if no bins were merged.
  std::vector<ChartPoint> extremes() const;
  // Mean of each bin, at the last step of the bin.
  std::vector<ChartPoint> means() const;

 private:
  struct Bin {
    ChartPoint low, high;
    double last_x = 0;
    double sum = 0;
    int64_t count = 0;
  };
  void merge_pairs();

  std::vector<Bin> bins_;
  int64_t length_ = 1;  // number of values in a full bin
  int64_t count_ = 0;
  ChartPoint last_, least_;
};

// How often a rule of alerts.rules fired.
struct AlertCount {
  std::string rule = {};
  int64_t count = 0, first_step = 0, last_step = 0;
};

class MetricCurves {
 public:
  // Must be called in the order of steps.
  void add(const StepMetrics& metrics);

  // The curve of a metric; null if it has no finite value.
  const MetricCurve* find(std::string_view name) const;
  // All curves, in the order in which they first occurred.
  const std::vector<std::pair<std::string, MetricCurve>>& all() const { return curves_; }

  // In the order in which the rules first fired.
  const std::vector<AlertCount>& alerts() const { return alerts_; }
  int64_t last_step() const { return last_step_; }
  // Steps whose training or validation loss was not finite: the first 200, and their number.
  const std::vector<int64_t>& not_finite() const { return not_finite_; }
  int64_t not_finite_count() const { return not_finite_count_; }

  // Seconds per phase, summed over the steps that have timings (timed_steps()), in the order of the
  // phases within a step.
  const std::vector<std::pair<std::string, double>>& seconds() const { return seconds_; }
  int64_t timed_steps() const { return timed_steps_; }

 private:
  void add_alerts(const StepMetrics& metrics);
  void add_seconds(const std::vector<std::pair<std::string, double>>& seconds);

  std::vector<std::pair<std::string, MetricCurve>> curves_;
  std::vector<AlertCount> alerts_;
  std::vector<int64_t> not_finite_;
  int64_t not_finite_count_ = 0;
  int64_t last_step_ = 0;
  std::vector<std::pair<std::string, double>> seconds_;
  int64_t timed_steps_ = 0;
};

}  // namespace ripieno::io
