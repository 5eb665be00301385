#include "ripieno/io/run/metrics_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>

#include "ripieno/io/files/file_system.h"
#include "ripieno/io/run/metrics_lines.h"

namespace ripieno::io {
namespace {

using Json = nlohmann::ordered_json;  // keeps the order of custom metrics

// Lines before number `line` with a step after `step` are ignored.
struct Cut {
  int64_t line = 0;
  int64_t step = 0;
};

// A cut for each line whose step is below that of the line before it, and for each branch line.
std::vector<Cut> cuts_of(const std::string& path) {
  std::vector<Cut> cuts;
  int64_t before = std::numeric_limits<int64_t>::min();
  for_each_line(path, [&](std::string_view line, int64_t number) {
    const auto found = step_of(line);
    if (!found) return;
    if (found->is_branch || found->step < before) {
      // This cut makes earlier cuts at the same or a later step redundant.
      while (!cuts.empty() && cuts.back().step >= found->step) cuts.pop_back();
      cuts.push_back({number, found->step});
    }
    before = found->step;
  });
  return cuts;
}

bool is_known(const std::string& name) {
  return std::find(std::begin(metric::kKnown), std::end(metric::kKnown), name) !=
         std::end(metric::kKnown);
}

// Adds a metric. Throws Json::exception if a known metric is not a number; ignores custom metrics
// that are not.
void read_value(const std::string& name, const Json& value, StepMetrics& metrics) {
  const bool is_too_large = value.is_number_unsigned() && value.get<uint64_t>() > INT64_MAX;
  if (value.is_number_integer() && !is_too_large) {
    metrics.set({name, value.get<int64_t>()});
  } else if (value.is_null()) {
    metrics.set({name, std::nan("")});
  } else if (value.is_number() || is_known(name)) {
    metrics.set({name, value.get<double>()});
  }
}

std::vector<std::pair<std::string, double>> numbers_in(const Json& object) {
  std::vector<std::pair<std::string, double>> numbers;
  for (const auto& [name, value] : object.get_ref<const Json::object_t&>()) {
    if (!value.is_null()) numbers.emplace_back(name, value.get<double>());
  }
  return numbers;
}

void merge(StepMetrics& metrics, StepMetrics later) {
  for (auto& value : later.values) metrics.set(std::move(value));
  if (!later.seconds.empty()) metrics.seconds = std::move(later.seconds);
  if (!later.slowest.empty()) metrics.slowest = std::move(later.slowest);
  metrics.alerts.insert(metrics.alerts.end(), later.alerts.begin(), later.alerts.end());
}

std::vector<std::string> texts_in(const Json& array) {
  std::vector<std::string> texts;
  for (const auto& text : array) texts.push_back(text.get<std::string>());
  return texts;
}

}  // namespace

std::optional<StepMetrics> parse_metrics_line(std::string_view text) {
  try {
    const Json line = Json::parse(text);
    StepMetrics metrics;
    metrics.step = line.at("step").get<int64_t>();
    for (const auto& [name, value] : line.items()) {
      if (name == "seconds") {
        metrics.seconds = numbers_in(value);
      } else if (name == "slowest" && value.is_object()) {
        metrics.slowest = numbers_in(value);
      } else if (name == "alerts" && value.is_array()) {
        metrics.alerts = texts_in(value);
      } else if (name != "step") {
        read_value(name, value, metrics);
      }
    }
    return metrics;
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;
  }
}

std::string SkippedLines::description(const std::string& path) const {
  if (count == 0) return "";
  if (count == 1) return fmt::format("{}: line {} cannot be read and is skipped", path, first);
  return fmt::format("{}: {} lines cannot be read and are skipped, the first is line {}", path,
                     count, first);
}

SkippedLines for_each_step(const std::string& path,
                           const std::function<void(const StepMetrics&)>& visit) {
  SkippedLines skipped;
  const std::vector<Cut> cuts = cuts_of(path);
  auto next_cut = cuts.begin();
  std::optional<StepMetrics> step;
  for_each_line(path, [&](std::string_view line, int64_t number) {
    const auto order = step_of(line);
    if (order && order->is_branch) return;
    auto metrics = parse_metrics_line(line);
    if (!metrics && skipped.count++ == 0) skipped.first = number;
    while (next_cut != cuts.end() && next_cut->line <= number) ++next_cut;
    // Of all following cuts, the next one has the lowest step.
    const bool is_ignored = metrics && next_cut != cuts.end() && metrics->step > next_cut->step;
    if (!metrics || is_ignored) return;
    if (step && step->step == metrics->step) return merge(*step, std::move(*metrics));
    if (step) visit(*step);
    step = std::move(metrics);
  });
  if (step) visit(*step);
  return skipped;
}

std::vector<StepMetrics> read_metrics(const std::string& path) {
  std::vector<StepMetrics> steps;
  if (!local_files().exists(path)) return steps;
  for_each_step(path, [&](const StepMetrics& step) { steps.push_back(step); });
  return steps;
}

}  // namespace ripieno::io
