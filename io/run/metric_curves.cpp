#include "ripieno/io/run/metric_curves.h"

#include <algorithm>
#include <cmath>

namespace ripieno::io {
namespace {

constexpr std::size_t kMostNotFinite = 200;

// The value with this name; appended if there is none.
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
  if (bins_.empty() || bins_.back().count == length_) {
    if (bins_.size() == kMostBins) merge_pairs();
    bins_.push_back({.low = point, .high = point});
  }
  Bin& bin = bins_.back();
  if (value < bin.low.y) bin.low = point;
  if (value > bin.high.y) bin.high = point;
  bin.last_x = point.x;
  bin.sum += value;
  ++bin.count;
  if (count_++ == 0 || value < least_.y) least_ = point;
  last_ = point;
}

void MetricCurve::merge_pairs() {
  for (std::size_t i = 0; i < bins_.size() / 2; ++i) {
    Bin merged = bins_[2 * i];
    const Bin& next = bins_[2 * i + 1];
    if (next.low.y < merged.low.y) merged.low = next.low;
    if (next.high.y > merged.high.y) merged.high = next.high;
    merged.last_x = next.last_x;
    merged.sum += next.sum;
    merged.count += next.count;
    bins_[i] = merged;
  }
  bins_.resize(bins_.size() / 2);
  length_ *= 2;
}

std::vector<ChartPoint> MetricCurve::extremes() const {
  std::vector<ChartPoint> points;
  for (const Bin& bin : bins_) {
    const bool is_low_first = bin.low.x <= bin.high.x;
    points.push_back(is_low_first ? bin.low : bin.high);
    if (bin.low.x != bin.high.x) points.push_back(is_low_first ? bin.high : bin.low);
  }
  return points;
}

std::vector<ChartPoint> MetricCurve::means() const {
  std::vector<ChartPoint> points;
  for (const Bin& bin : bins_)
    points.push_back({bin.last_x, bin.sum / static_cast<double>(bin.count)});
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
  add_alerts(metrics);
  add_seconds(metrics.seconds);
}

void MetricCurves::add_alerts(const StepMetrics& metrics) {
  for (const std::string& rule : metrics.alerts) {
    auto found = std::ranges::find(alerts_, rule, &AlertCount::rule);
    if (found == alerts_.end())
      found = alerts_.insert(found, {.rule = rule, .count = 0, .first_step = metrics.step});
    ++found->count;
    found->last_step = metrics.step;
  }
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
