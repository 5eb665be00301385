#include "ripieno/io/run/metric_curves.h"

#include <algorithm>
#include <cmath>

namespace ripieno::io {
namespace {

constexpr std::size_t kMostNotFinite = 200;

// The value of that name, which is made where there is none.
template <typename Value>
Value& named(std::vector<std::pair<std::string, Value>>& values, std::string_view name) {
  auto found = std::find_if(values.begin(), values.end(),
                            [&](const auto& value) { return value.first == name; });
  if (found == values.end()) found = values.emplace(values.end(), name, Value{});
  return found->second;
}

}  // namespace

void MetricCurve::add(int64_t step, double value) {
  const ChartPoint point{static_cast<double>(step), value};
  if (stretches_.empty() || stretches_.back().count == length_) {
    if (stretches_.size() == kMostStretches) merge_pairs();
    stretches_.push_back({.low = point, .high = point});
  }
  Stretch& stretch = stretches_.back();
  if (value < stretch.low.y) stretch.low = point;
  if (value > stretch.high.y) stretch.high = point;
  stretch.last_x = point.x;
  stretch.sum += value;
  ++stretch.count;
  if (count_++ == 0 || value < least_.y) least_ = point;
  last_ = point;
}

void MetricCurve::merge_pairs() {
  for (std::size_t i = 0; i < stretches_.size() / 2; ++i) {
    Stretch merged = stretches_[2 * i];
    const Stretch& next = stretches_[2 * i + 1];
    if (next.low.y < merged.low.y) merged.low = next.low;
    if (next.high.y > merged.high.y) merged.high = next.high;
    merged.last_x = next.last_x;
    merged.sum += next.sum;
    merged.count += next.count;
    stretches_[i] = merged;
  }
  stretches_.resize(stretches_.size() / 2);
  length_ *= 2;
}

std::vector<ChartPoint> MetricCurve::extremes() const {
  std::vector<ChartPoint> points;
  for (const Stretch& stretch : stretches_) {
    const bool is_low_first = stretch.low.x <= stretch.high.x;
    points.push_back(is_low_first ? stretch.low : stretch.high);
    if (stretch.low.x != stretch.high.x)
      points.push_back(is_low_first ? stretch.high : stretch.low);
  }
  return points;
}

std::vector<ChartPoint> MetricCurve::means() const {
  std::vector<ChartPoint> points;
  for (const Stretch& stretch : stretches_)
    points.push_back({stretch.last_x, stretch.sum / static_cast<double>(stretch.count)});
  return points;
}

void MetricCurves::add(const StepMetrics& metrics) {
  last_step_ = metrics.step;
  bool is_finite = true;
  for (const Metric& metric : metrics.values) {
    const double number = metric.number();
    if (std::isfinite(number)) {
      named(curves_, metric.name).add(metrics.step, number);
    } else if (metric.name == metric::kLoss || metric.name == metric::kValidationLoss) {
      is_finite = false;
    }
  }
  if (!is_finite && not_finite_count_++ < static_cast<int64_t>(kMostNotFinite))
    not_finite_.push_back(metrics.step);
  add_seconds(metrics.seconds);
}

void MetricCurves::add_seconds(const std::vector<std::pair<std::string, double>>& seconds) {
  for (const auto& [phase, value] : seconds) named(seconds_, phase) += value;
  timed_steps_ += !seconds.empty();
}

const MetricCurve* MetricCurves::find(std::string_view name) const {
  const auto found = std::find_if(curves_.begin(), curves_.end(),
                                  [&](const auto& curve) { return curve.first == name; });
  return found == curves_.end() ? nullptr : &found->second;
}

}  // namespace ripieno::io
