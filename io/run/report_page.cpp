#include "ripieno/io/run/report_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <nlohmann/json.hpp>
#include <numeric>
#include <utility>

#include "ripieno/io/run/progress.h"
#include "ripieno/io/run/report_chart.h"
#include "ripieno/io/run/report_parts.h"
#include "ripieno/io/run/report_style.h"

namespace ripieno::io {
namespace {

using Json = nlohmann::json;

// Horizontal resolution of a chart in bins.
constexpr std::size_t kBins = 450;
constexpr int kPhaseColors = 7;

// The points of a metric's curve; none if there is no such metric.
std::vector<ChartPoint> points_of(const MetricCurves& metrics, std::string_view name) {
  const MetricCurve* curve = metrics.find(name);
  return curve ? curve->extremes() : std::vector<ChartPoint>();
}

double median(std::vector<ChartPoint> points) {
  const auto middle = points.begin() + static_cast<std::ptrdiff_t>(points.size() / 2);
  std::nth_element(points.begin(), middle, points.end(),
                   [](ChartPoint a, ChartPoint b) { return a.y < b.y; });
  return middle->y;
}

std::string shown_value(const Json& value);

std::string joined(const Json& array, std::string_view separator) {
  std::vector<std::string> items;
  for (const Json& item : array) items.push_back(shown_value(item));
  return fmt::format("{}", fmt::join(items, separator));
}

// A value of run.json as readable text: "a, b" for ["a", "b"].
std::string shown_value(const Json& value) {
  if (value.is_null() || value == "" || value == Json::array()) return "–";
  if (value.is_string()) return value.get<std::string>();
  if (value.is_array()) return joined(value, ", ");
  if (!value.is_object()) return value.dump();
  std::vector<std::string> items;
  for (const auto& [name, item] : value.items()) items.push_back(name + " " + shown_value(item));
  return fmt::format("{}", fmt::join(items, ", "));
}

// "host-a ×2, host-b" for ["host-a", "host-a", "host-b"], a list with one entry per rank.
std::string counted(const Json& names) {
  if (!names.is_array()) return shown_value(names);
  std::vector<std::pair<std::string, int>> counts;
  for (const Json& item : names) {
    const std::string name = shown_value(item);
    const auto found = std::find_if(counts.begin(), counts.end(),
                                    [&](const auto& count) { return count.first == name; });
    found == counts.end() ? counts.emplace_back(name, 1).second : ++found->second;
  }
  std::vector<std::string> items;
  for (const auto& [name, count] : counts)
    items.push_back(count == 1 ? name : fmt::format("{} ×{}", name, count));
  return fmt::format("{}", fmt::join(items, ", "));
}

std::string field(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found == object.end() ? "" : counted(*found);
}

std::string loss_figure(std::string_view name, ChartPoint point) {
  return figure(name, fmt::format("{:.4f}", point.y),
                fmt::format("at step {}", rounded_with_thousands(point.x)));
}

std::string rate_figure(const MetricCurves& metrics) {
  for (const auto& [name, unit] : {std::pair{metric::kTokensPerSecond, "tokens/s"},
                                   std::pair{metric::kSamplesPerSecond, "samples/s"}}) {
    const MetricCurve* curve = metrics.find(name);
    if (!curve) continue;
    return figure("Throughput", rounded_with_thousands(median(curve->means())),
                  fmt::format("{}, median", unit));
  }
  return "";
}

// Tokens or samples processed, from the last line that has them (lines of a validation do not).
std::string processed_figure(const MetricCurves& metrics) {
  for (const char* name : {metric::kTokens, metric::kSamples}) {
    const MetricCurve* curve = metrics.find(name);
    if (curve) return figure("Trained on", rounded_with_thousands(curve->last().y), name);
  }
  return "";
}

std::string not_finite_figure(const MetricCurves& metrics) {
  const int64_t count = metrics.not_finite_count();
  if (count == 0) return "";
  const std::string first = with_thousands(metrics.not_finite().front());
  return figure(
      "Loss not finite", fmt::format("step {}", first),
      count == 1 ? "infinite or NaN" : fmt::format("and {} later steps", with_thousands(count - 1)),
      "figure fault");
}

int64_t planned_steps(const Json& configuration) {
  const Json::json_pointer key("/schedule/steps");
  const bool known = configuration.contains(key) && configuration[key].is_number_integer();
  return known ? configuration[key].get<int64_t>() : 0;
}

std::string legend(std::string_view color, std::string_view text) {
  return fmt::format("<span><i class=\"swatch\" style=\"background:var(--{})\"></i>{}</span>",
                     color, text);
}

std::string small_chart(std::string_view heading, std::string_view style,
                        std::vector<ChartPoint> points, bool from_zero) {
  if (points.empty()) return "";
  Chart chart{.width = 340,
              .height = 190,
              .label = std::string(heading),

              .x_ticks = 3,
              .y_ticks = 3,
              .from_zero = from_zero};
  chart.curves = {{.style = std::string(style), .points = thinned(points, kBins / 3)}};
  return section(heading, line_chart(chart));
}

// The names of the configuration's sections: the most important ones first, then the others.
std::vector<std::string> ordered_sections(const Json& configuration) {
  std::vector<std::string> names;
  for (const char* name : {"model", "data", "optimizer", "schedule", "train"}) {
    if (configuration.contains(name) && configuration[name].is_object()) names.push_back(name);
  }
  for (const auto& [name, keys] : configuration.items()) {
    if (keys.is_object() && std::find(names.begin(), names.end(), name) == names.end())
      names.push_back(name);
  }
  return names;
}

using Phases = std::vector<std::pair<std::string, double>>;

// Seconds per phase, summed over all logged steps, in the order of phases within a step. "other" is
// the part of "total" that no phase accounts for.
Phases phases_of(const MetricCurves& metrics) {
  Phases phases = metrics.seconds();
  double total = 0, sum = 0;
  for (const auto& [name, seconds] : phases) (name == "total" ? total : sum) += seconds;
  std::erase_if(phases, [](const auto& phase) { return phase.first == "total"; });
  if (total > sum * 1.001) phases.emplace_back("other", total - sum);
  std::erase_if(phases, [](const auto& phase) { return !(phase.second > 0); });
  return phases;
}

std::string spaced(std::string name) {
  std::replace(name.begin(), name.end(), '_', ' ');
  return name;
}

std::string duration(double seconds) {
  if (seconds < 1e-3) return fmt::format("{:.0f} µs", seconds * 1e6);
  if (seconds < 1) return fmt::format("{:.3g} ms", seconds * 1e3);
  return fmt::format("{:.3g} s", seconds);
}

}  // namespace

std::string page_head(const std::string& title, std::string_view brand,
                      const std::string& subtitle) {
  return fmt::format(
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{0} · "
      "Ripieno</title>\n"
      "<style>{1}</style>\n</head>\n<body>\n<main>\n"
      "<header><p class=\"brand\">{3}</p><h1>{0}</h1><p class=\"sub\">{2}</p></header>\n",
      escaped(title), kReportStyle, escaped(subtitle), brand);
}

std::string readable_time(std::string text) {
  const bool is_utc = text.size() == 20 && text[10] == 'T' && text.back() == 'Z';
  return is_utc ? text.substr(0, 10) + " " + text.substr(11, 8) + " UTC" : text;
}

std::string key_figures(const Json& configuration, const MetricCurves& metrics) {
  if (metrics.last_step() == 0) return "";
  const int64_t planned = planned_steps(configuration);
  std::string figures = figure("Steps", with_thousands(metrics.last_step()),
                               planned > 0 ? fmt::format("of {}", with_thousands(planned)) : "");
  figures += not_finite_figure(metrics);
  if (const auto* losses = metrics.find(metric::kLoss))
    figures += loss_figure("Last loss", losses->last());
  if (const auto* validation = metrics.find(metric::kValidationLoss))
    figures += loss_figure("Best validation loss", validation->least());
  if (const auto* accuracy = metrics.find(metric::kAccuracy)) {
    const ChartPoint last = accuracy->last();
    figures += figure("Accuracy", fmt::format("{:.2f} %", 100 * last.y),
                      fmt::format("at step {}", rounded_with_thousands(last.x)));
  }
  return "<div class=\"figures\">" + figures + rate_figure(metrics) + processed_figure(metrics) +
         "</div>\n";
}

std::string loss_section(const MetricCurves& metrics) {
  const MetricCurve* losses = metrics.find(metric::kLoss);
  const auto validation = points_of(metrics, metric::kValidationLoss);
  if (!losses && validation.empty()) {
    const char* why = metrics.not_finite_count() > 0 ? "The loss was never finite."
                                                     : "No step has been logged yet.";
    return section("Loss", fmt::format("<p class=\"empty\">{}</p>", why));
  }
  Chart chart{.label = "Loss as a function of the step"};
  const auto means = losses ? losses->means() : std::vector<ChartPoint>();
  const auto average = smoothed(means, static_cast<double>(means.size()) / 50);
  chart.curves = {{.style = "raw", .points = thinned(points_of(metrics, metric::kLoss), kBins)},
                  {.style = "smooth", .points = thinned(average, kBins)},
                  {.style = "validation",
                   .points = validation,
                   .dots = validation.size() <= 60,
                   .mark_least = true}};
  for (const int64_t step : metrics.not_finite()) chart.faults.push_back(static_cast<double>(step));
  const std::string legends = legend("train", "training, smoothed") +
                              (validation.empty() ? "" : legend("validation", "validation")) +
                              (chart.faults.empty() ? "" : legend("fault", "not finite"));
  return section("", "<div class=\"legend\">" + legends + "</div><h2>Loss</h2>" + line_chart(chart),
                 "wide");
}

std::string small_charts(const MetricCurves& metrics) {
  std::string charts;
  for (const auto& [heading, name] : kSmallCharts)
    charts += small_chart(heading, "smooth", points_of(metrics, name), true);
  for (const auto& [name, curve] : metrics.all()) {
    const bool is_known = std::find(std::begin(metric::kKnown), std::end(metric::kKnown), name) !=
                          std::end(metric::kKnown);
    if (!is_known) charts += small_chart(escaped(spaced(name)), "smooth", curve.extremes(), false);
  }
  return charts.empty() ? "" : "<div class=\"columns\">" + charts + "</div>\n";
}

std::string time_section(const MetricCurves& metrics) {
  const Phases phases = phases_of(metrics);
  if (phases.empty()) return "";
  const auto steps = static_cast<double>(metrics.timed_steps());
  const double total =
      std::accumulate(phases.begin(), phases.end(), 0.0,
                      [](double sum, const auto& phase) { return sum + phase.second; });
  std::string bar, list;
  for (std::size_t i = 0; i < phases.size(); ++i) {
    const auto& [name, seconds] = phases[i];
    const auto color = name == "other" ? kPhaseColors - 1 : i % (kPhaseColors - 1);
    const double percent = 100 * seconds / total;
    bar += fmt::format("<i class=\"phase-{}\" style=\"flex:{:.4f}\" title=\"{}\"></i>", color,
                       percent, escaped(spaced(name)));
    list +=
        fmt::format("<li><i class=\"swatch phase-{}\"></i>{} <b>{:.1f} %</b> <span>{}</span></li>",
                    color, escaped(spaced(name)), percent, duration(seconds / steps));
  }
  return section(fmt::format("Time per step: {}", duration(total / steps)),
                 "<div class=\"stack\">" + bar + "</div><ul class=\"phases\">" + list + "</ul>");
}

std::string alerts_section(const MetricCurves& metrics) {
  if (metrics.alerts().empty()) return "";
  std::string rows = "<tr><th>Rule</th><th>Fired</th><th>First step</th><th>Last step</th></tr>";
  for (const AlertCount& alert : metrics.alerts())
    rows += fmt::format("<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
                        escaped(alert.rule), with_thousands(alert.count),
                        with_thousands(alert.first_step), with_thousands(alert.last_step));
  return section("Alerts", "<table>" + rows + "</table>");
}

std::string checkpoints_section(const std::vector<std::string>& checkpoints) {
  std::string chips;
  for (const std::string& name : checkpoints) chips += "<span>" + escaped(name) + "</span>";
  if (chips.empty()) return section("Checkpoints", "<p class=\"empty\">None.</p>");
  return section("Checkpoints", "<div class=\"chips\">" + chips + "</div>");
}

std::string starts_section(const Json& starts) {
  std::string rows =
      "<tr><th>Start</th><th>Ranks</th><th>Hosts</th><th>Devices</th><th>Resumed from</th></tr>";
  for (const Json& start : starts) {
    if (!start.is_object()) continue;
    rows += "<tr>";
    for (const char* name : {"started_at", "world_size", "hosts", "devices", "resumed_from"}) {
      const std::string value = readable_time(field(start, name));
      rows += fmt::format("<td>{}</td>", value.empty() ? "–" : escaped(value));
    }
    rows += "</tr>";
  }
  return section(
      starts.size() == 1 ? "Started once" : fmt::format("Started {} times", starts.size()),
      "<table>" + rows + "</table>");
}

std::string last_start_section(const Json& start) {
  // These are in other sections of the page.
  constexpr std::string_view kElsewhere[] = {"configuration", "started_at", "world_size",
                                             "hosts",         "devices",    "resumed_from",
                                             "progress",      "cost",       "origins"};
  std::string rows;
  for (const auto& [name, value] : start.items()) {
    if (std::find(std::begin(kElsewhere), std::end(kElsewhere), name) != std::end(kElsewhere))
      continue;
    const bool is_command = name == "command" && value.is_array();
    rows += row(spaced(name), is_command ? joined(value, " ") : shown_value(value));
  }
  return rows.empty() ? "" : section("Program", "<table>" + rows + "</table>");
}

std::string configuration_section(const Json& configuration) {
  std::string sections;
  for (const std::string& name : ordered_sections(configuration)) {
    std::string rows;
    for (const auto& [key, value] : configuration[name].items())
      rows += row(key, shown_value(value));
    sections += fmt::format("<div><h3>{}</h3><table>{}</table></div>", escaped(name), rows);
  }
  return sections.empty()
             ? ""
             : section("Configuration", "<div class=\"sections\">" + sections + "</div>");
}

}  // namespace ripieno::io
