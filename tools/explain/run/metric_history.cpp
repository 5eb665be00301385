#include "ripieno/tools/explain/run/metric_history.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <span>
#include <string_view>

#include "ripieno/tools/sources/foreign_json.h"

namespace ripieno::tools::explain {
namespace {

constexpr int64_t kWhole = int64_t{24} << 20, kEnd = int64_t{8} << 20;
constexpr int64_t kPart = 8192, kParts = 2048;
constexpr std::size_t kLongestLine = std::size_t{1} << 18;
constexpr std::size_t kMostAlerts = 1000;  // different rules

std::optional<double> number(const nlohmann::json& object, const char* name) {
  const auto& value = member(object, name);
  return value.is_number() ? std::optional(value.get<double>()) : std::nullopt;
}

void take_seconds(const nlohmann::json& seconds, MetricPoint& point) {
  if (!seconds.is_object()) return;
  for (const auto& [phase, value] : seconds.items()) {
    if (value.is_number()) point.seconds[phase] = value.get<double>();
  }
  const auto of = [&](const char* phase) {
    const auto found = point.seconds.find(phase);
    return found == point.seconds.end() ? 0.0 : found->second;
  };
  point.total = std::max(0.0, of("total") - of("checkpoint"));
}

// Empty for lines without a step, of validations, and those that only say that the run resumed.
std::optional<MetricPoint> point_of(const nlohmann::json& line) {
  const auto step = number(line, "step");
  if (!step || !line.contains("loss") || !(std::abs(*step) < 9e18)) return std::nullopt;
  MetricPoint point{.step = static_cast<int64_t>(*step)};
  point.loss = number(line, "loss");
  point.gradient_norm = number(line, "gradient_norm");
  const bool has_bad_norm = line.contains("gradient_norm") && !point.gradient_norm;
  point.is_loss_finite = point.loss.has_value() && !has_bad_norm;
  if (const auto skipped = number(line, "skipped_steps"); skipped && std::abs(*skipped) < 9e18)
    point.skipped_steps = static_cast<int64_t>(*skipped);
  if (const auto rollbacks = number(line, "rollbacks"); rollbacks && std::abs(*rollbacks) < 9e18)
    point.rollbacks = static_cast<int64_t>(*rollbacks);
  take_seconds(member(line, "seconds"), point);
  const auto& slowest = member(line, "slowest");
  const auto rank = number(slowest, "rank");
  if (rank && *rank >= 0 && *rank < 1e9) {
    point.slowest_rank = static_cast<int>(*rank);
    point.slowest_score = number(slowest, "score").value_or(0);
  }
  return point;
}

void take_alerts(const nlohmann::json& line, MetricHistory& history) {
  const auto& rules = member(line, "alerts");
  const auto step = number(line, "step");
  if (!rules.is_array() || !step || !(std::abs(*step) < 9e18)) return;
  for (const auto& rule : rules) {
    if (!rule.is_string()) continue;
    const auto text = rule.get<std::string>();
    auto found = std::ranges::find(history.alerts, text, &FiredAlert::rule);
    if (found == history.alerts.end() && history.alerts.size() >= kMostAlerts) return;
    if (found == history.alerts.end())
      found = history.alerts.insert(
          found, {.rule = text, .count = 0, .first_step = static_cast<int64_t>(*step)});
    ++found->count;
    found->last_step = static_cast<int64_t>(*step);
  }
}

void take_line(std::string_view line, MetricHistory& history) {
  if (line.empty()) return;
  const auto parsed = line.size() > kLongestLine
                          ? nlohmann::json(nlohmann::json::value_t::discarded)
                          : nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!parsed.is_object()) {
    ++history.unreadable;
    return;
  }
  if (auto point = point_of(parsed)) history.points.push_back(std::move(*point));
  take_alerts(parsed, history);
}

// Takes the complete lines of a part of the file. `begins_inside`: the part may begin in a line.
void take_lines(std::string_view text, bool begins_inside, MetricHistory& history) {
  std::size_t begin = 0;
  if (begins_inside) {
    begin = text.find('\n');
    if (begin == std::string_view::npos) return;
    ++begin;
  }
  for (std::size_t end; (end = text.find('\n', begin)) != std::string_view::npos; begin = end + 1)
    take_line(text.substr(begin, end - begin), history);
}

void take_part(const io::ReadableFile& file, int64_t begin, int64_t bytes, std::string& buffer,
               MetricHistory& history) {
  buffer.resize(static_cast<std::size_t>(bytes));
  file.read(begin, std::as_writable_bytes(std::span(buffer)));
  take_lines(buffer, /*begins_inside=*/begin > 0, history);
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + std::ssize(values) / 2;
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

constexpr std::size_t kLeastPoints = 8;  // on each side of a change
constexpr std::size_t kWindow = 64, kBlocks = 256;
constexpr double kSlowdown = 1.5, kLeastSeconds = 0.01;

double median_of(std::span<const double> totals, std::size_t begin, std::size_t end) {
  return median({totals.begin() + static_cast<std::ptrdiff_t>(begin),
                 totals.begin() + static_cast<std::ptrdiff_t>(end)});
}

// How well a change at `index` explains the totals around it: smaller is better.
double misfit(std::span<const double> totals, std::size_t index, double before, double after,
              std::size_t begin, std::size_t end) {
  double sum = 0;
  for (std::size_t i = begin; i < end; ++i)
    sum += std::abs(std::log(totals[i] / (i < index ? before : after)));
  return sum;
}

}  // namespace

double MetricPoint::share(const std::string& phase) const {
  const auto found = seconds.find(phase);
  return found == seconds.end() || total <= 0 ? 0 : found->second / total;
}

MetricHistory read_metric_history(const io::FileSystem& files, const std::string& path) {
  MetricHistory history;
  if (!files.exists(path)) return history;
  const auto file = files.open(path);
  const int64_t size = file->size();
  std::string buffer;
  history.is_sampled = size > kWhole;
  if (!history.is_sampled) {
    take_part(*file, 0, size, buffer, history);
    return history;
  }
  const int64_t distance = (size - kEnd) / kParts;
  for (int64_t i = 0; i < kParts; ++i) take_part(*file, i * distance, kPart, buffer, history);
  take_part(*file, size - kEnd, kEnd, buffer, history);
  return history;
}

std::optional<StepTimeChange> find_slowdown(const std::vector<MetricPoint>& points) {
  std::vector<double> totals;
  std::vector<std::size_t> index_of;  // in points
  for (std::size_t i = 0; i < points.size(); ++i) {
    if (!(points[i].total > 0)) continue;
    totals.push_back(points[i].total);
    index_of.push_back(i);
  }
  const std::size_t count = totals.size();
  if (count < 2 * kLeastPoints) return std::nullopt;
  const std::size_t stride = std::max<std::size_t>(1, count / kBlocks);
  // No change can hide between two places.
  const std::size_t window = std::max(kWindow, 2 * stride);
  std::optional<StepTimeChange> found;
  double largest = kSlowdown;
  for (std::size_t i = kLeastPoints; i + kLeastPoints <= count; i += stride) {
    const double before = median_of(totals, i - std::min(i, window), i);
    const double after = median_of(totals, i, std::min(count, i + window));
    if (!(after / before > largest) || after - before < kLeastSeconds) continue;
    // It must last until the end.
    const double end = median_of(totals, std::max(i, count - std::min(count, window)), count);
    if (end / before < kSlowdown) continue;
    largest = after / before;
    found = {.index = i, .before = before, .after = after};
  }
  if (!found) return std::nullopt;
  const std::size_t near = std::max(stride, kLeastPoints);
  const std::size_t begin = found->index - std::min(found->index, 2 * near);
  const std::size_t end = std::min(count, found->index + 2 * near);
  double best = misfit(totals, found->index, found->before, found->after, begin, end);
  std::size_t split = found->index;
  for (std::size_t i = begin + 1; i < end; ++i) {
    const double fit = misfit(totals, i, found->before, found->after, begin, end);
    if (fit < best) {
      best = fit;
      split = i;
    }
  }
  found->index = index_of[split];
  return found;
}

}  // namespace ripieno::tools::explain
