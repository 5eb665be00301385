#include "ripieno/io/run/report_comparison.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "ripieno/core/error.h"
#include "ripieno/io/files/file_system.h"
#include "ripieno/io/files/replace_file.h"
#include "ripieno/io/run/metrics_reader.h"
#include "ripieno/io/run/progress.h"
#include "ripieno/io/run/record_differences.h"
#include "ripieno/io/run/report_chart.h"
#include "ripieno/io/run/report_page.h"
#include "ripieno/io/run/report_parts.h"
#include "ripieno/io/run/run_directory.h"

namespace ripieno::io {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kBins = 450;
constexpr std::size_t kColors = 6;  // then they repeat

std::string color_of(std::size_t run) { return fmt::format("run-{}", run % kColors); }

std::string legend_of(const std::vector<ComparedRun>& runs) {
  std::string legend;
  for (std::size_t i = 0; i < runs.size(); ++i)
    legend += fmt::format("<span><i class=\"swatch {}\"></i>{}</span>", color_of(i),
                          escaped(runs[i].title));
  return "<div class=\"legend runs\">" + legend + "</div>";
}

// One metric of all runs; empty if none has it.
std::string overlaid(const std::vector<ComparedRun>& runs, const char* name,
                     const std::string& heading, bool is_wide) {
  Chart chart{.width = is_wide ? 960 : 340, .height = is_wide ? 340 : 190, .label = heading};
  if (!is_wide) chart.x_ticks = chart.y_ticks = 3;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const MetricCurve* curve = runs[i].metrics.find(name);
    if (!curve) continue;
    const auto means = curve->means();
    const auto points = smoothed(means, static_cast<double>(means.size()) / 50);
    chart.curves.push_back(
        {.style = color_of(i), .points = thinned(points, is_wide ? kBins : kBins / 3)});
  }
  const std::string svg = line_chart(chart);
  if (svg.empty()) return "";
  return section(heading, svg, is_wide ? "wide" : "");
}

std::string shown(const MetricCurve* curve, bool least) {
  if (!curve) return "–";
  return fmt::format("{:.6g}", least ? curve->least().y : curve->last().y);
}

std::string text_in(const Json& start, const char* name) {
  const auto found = start.find(name);
  return found != start.end() && found->is_string() ? found->get<std::string>() : "";
}

std::string figures_table(const std::vector<ComparedRun>& runs) {
  std::string rows =
      "<tr><th>Run</th><th>Steps</th><th>Last loss</th><th>Best validation loss</th>"
      "<th>Rate</th><th>Last started</th></tr>";
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const MetricCurves& metrics = runs[i].metrics;
    const auto* tokens = metrics.find(metric::kTokensPerSecond);
    const auto* rate = tokens ? tokens : metrics.find(metric::kSamplesPerSecond);
    const std::string speed = rate ? fmt::format("{} {}/s", rounded_with_thousands(rate->last().y),
                                                 tokens ? "tokens" : "samples")
                                   : "–";
    rows += fmt::format(
        "<tr><td><i class=\"swatch {}\"></i>{}</td><td>{}</td><td>{}</td><td>{}</td>"
        "<td>{}</td><td>{}</td></tr>",
        color_of(i), escaped(runs[i].title), with_thousands(metrics.last_step()),
        shown(metrics.find(metric::kLoss), false),
        shown(metrics.find(metric::kValidationLoss), true), speed,
        escaped(readable_time(text_in(last_start_of(runs[i].record), "started_at"))));
  }
  return section("", "<table>" + rows + "</table>", "numbers");
}

std::string differences_table(const std::vector<ComparedRun>& runs) {
  std::vector<Json> starts;
  for (const auto& run : runs) starts.push_back(last_start_of(run.record));
  std::string rows = "<tr><th>Key</th>";
  for (const auto& run : runs) rows += "<th>" + escaped(run.title) + "</th>";
  rows += "</tr>";
  const auto differences = record_differences(starts);
  for (const auto& difference : differences) {
    rows += "<tr><th>" + escaped(difference.key) + "</th>";
    for (const auto& value : difference.values)
      rows += "<td>" + (value ? escaped(*value) : std::string("–")) + "</td>";
    rows += "</tr>";
  }
  if (differences.empty())
    return section("Differences", "<p class=\"empty\">None in their records.</p>");
  return section("Differences", "<table>" + rows + "</table>", "differences");
}

std::string small_charts(const std::vector<ComparedRun>& runs) {
  std::string charts;
  for (const auto& [heading, name] : kSmallCharts) charts += overlaid(runs, name, heading, false);
  return charts.empty() ? "" : "<div class=\"columns\">" + charts + "</div>\n";
}

ComparedRun read_compared(FileSystem& files, const std::string& directory,
                          std::vector<std::string>& remarks) {
  const RunPaths paths{directory};
  ComparedRun run;
  try {
    run.record = read_record(paths);
  } catch (const DataError& error) {
    remarks.push_back(error.what());
    run.record = {{"starts", Json::array()}};
  }
  if (files.exists(paths.metrics())) {
    const auto skipped =
        for_each_step(paths.metrics(), [&](const StepMetrics& step) { run.metrics.add(step); });
    if (skipped.count > 0) remarks.push_back(skipped.description(paths.metrics()));
  }
  return run;
}

// The last parts of paths, as many as are needed to tell them apart.
std::vector<std::string> titles_of(const std::vector<std::string>& directories) {
  std::vector<std::string> titles = directories;
  for (std::string& title : titles) {
    while (title.size() > 1 && title.back() == '/') title.pop_back();
  }
  std::vector<std::string> names;
  for (const auto& title : titles) names.push_back(std::filesystem::path(title).filename());
  auto sorted = names;
  std::sort(sorted.begin(), sorted.end());
  const bool are_distinct = std::adjacent_find(sorted.begin(), sorted.end()) == sorted.end();
  return are_distinct ? names : titles;
}

}  // namespace

std::string comparison_page(const std::vector<ComparedRun>& runs) {
  const std::string title = fmt::format("{} runs", runs.size());
  return page_head(title, "Ripieno comparison", "") + figures_table(runs) + legend_of(runs) +
         overlaid(runs, metric::kLoss, "Loss, smoothed", true) +
         overlaid(runs, metric::kValidationLoss, "Validation loss", true) + small_charts(runs) +
         differences_table(runs) +
         "<footer>Generated from run.json and metrics.jsonl of each run</footer>\n</main>\n"
         "</body>\n</html>\n";
}

std::vector<std::string> write_comparison(FileSystem& files,
                                          const std::vector<std::string>& directories,
                                          const std::string& to) {
  std::vector<std::string> remarks;
  std::vector<ComparedRun> runs;
  const auto titles = titles_of(directories);
  for (std::size_t i = 0; i < directories.size(); ++i) {
    runs.push_back(read_compared(files, directories[i], remarks));
    runs.back().title = titles[i];
  }
  replace_file(files, to, comparison_page(runs));
  return remarks;
}

}  // namespace ripieno::io
