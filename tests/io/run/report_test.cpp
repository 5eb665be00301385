#include "ripieno/io/run/report.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "io/files/temporary_directory.h"
#include "ripieno/io/files/file_system.h"
#include "ripieno/io/run/metric_curves.h"
#include "ripieno/io/run/record_differences.h"
#include "ripieno/io/run/report_chart.h"
#include "ripieno/io/run/report_comparison.h"

namespace ripieno::io {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

nlohmann::json record() {
  return nlohmann::json::parse(R"({"starts": [{
    "started_at": "2026-01-02T03:04:05Z", "world_size": 2, "hosts": ["node-a", "node-a"], "devices": ["cpu", "cpu"],
    "command": ["train_gpt", "--set", "a<b"], "resumed_from": null,
    "configuration": {"schedule": {"steps": 2000}, "model": {"layers": 4}}}]})");
}

std::vector<StepMetrics> lines() {
  std::vector<StepMetrics> lines;
  for (int64_t step = 10; step <= 100; step += 10) {
    lines.push_back({.step = step, .seconds = {{"forward", 0.25}, {"total", 1.0}}});
    lines.back().set({metric::kLoss, 4.0 - static_cast<double>(step) / 50});
    lines.back().set({metric::kTokensPerSecond, 1'234.0});
    if (step % 50 == 0)
      lines.back().set({metric::kValidationLoss, 3.0 - static_cast<double>(step) / 100});
  }
  return lines;
}

MetricCurves curves_of(const std::vector<StepMetrics>& lines) {
  MetricCurves curves;
  for (const auto& line : lines) curves.add(line);
  return curves;
}

MetricCurves metrics() { return curves_of(lines()); }

// Number of occurrences of `part` in `text`.
int count_of(const std::string& text, const std::string& part) {
  int count = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

TEST(Report, HasWholeStepsOnTheAxisOfAShortRun) {
  const std::string svg =
      line_chart({.label = "Loss", .curves = {{.points = {{1, 2}, {2, 1}, {3, 1.5}}}}});
  for (const char* step : {">1<", ">2<", ">3<"})
    EXPECT_THAT(svg, HasSubstr("text-anchor=\"middle\"" + std::string(step)));
  EXPECT_THAT(svg, Not(HasSubstr("text-anchor=\"middle\">1.5<")));
}

TEST(Report, ShowsTheAlertsOfTheRun) {
  EXPECT_THAT(report_page("first", record(), metrics(), {}), Not(HasSubstr("Alerts")));
  auto with_alerts = lines();
  with_alerts[1].alerts = {"loss < 9"};
  with_alerts[4].alerts = {"loss < 9", "own.kl > 1"};
  EXPECT_THAT(report_page("first", record(), curves_of(with_alerts), {}),
              HasSubstr("<tr><td>loss &lt; 9</td><td>2</td><td>20</td><td>50</td></tr>"
                        "<tr><td>own.kl &gt; 1</td><td>1</td><td>50</td><td>50</td></tr>"));
}

TEST(Report, ShowsTheKeyFiguresOfTheRun) {
  const std::string page = report_page("first", record(), metrics(), {"step_00000100"});
  for (const char* text :
       {"<h1>first</h1>", "<b>100</b><small>of 2,000</small>",
        "<b>2.0000</b><small>at step 100</small>", "1,234", "node-a ×2",
        "last started 2026-01-02 03:04:05 UTC", "step_00000100", "<th>layers</th><td>4</td>",
        "forward <b>25.0 %</b>", "other <b>75.0 %</b>"}) {
    EXPECT_THAT(page, HasSubstr(text));
  }
}

TEST(Report, DrawsTrainingAndValidationLoss) {
  const std::string page = report_page("first", record(), metrics(), {});
  EXPECT_EQ(count_of(page, "class=\"curve raw\""), 1);
  EXPECT_EQ(count_of(page, "class=\"curve validation\""), 1);
  EXPECT_EQ(count_of(page, "class=\"dot validation\""), 2);
  EXPECT_THAT(page, HasSubstr("best 2.0000"));
}

TEST(Report, IsSelfContained) {
  const std::string page = report_page("first", record(), metrics(), {});
  for (const char* text : {"<script", "<link", "src=", "url(", "@import", "http"})
    EXPECT_THAT(page, Not(HasSubstr(text)));
}

TEST(Report, EscapesText) {
  const std::string page = report_page("<i>&\"", record(), MetricCurves(), {});
  EXPECT_THAT(page, HasSubstr("<h1>&lt;i&gt;&amp;&quot;</h1>"));
  EXPECT_THAT(page, HasSubstr("train_gpt --set a&lt;b"));
}

TEST(Report, ToleratesMissingAndInvalidData) {
  for (const char* text :
       {"{}", R"({"starts": []})", R"({"starts": [3]})",
        R"({"starts": [{"configuration": 3, "command": [4, null], "hosts": 5}]})"}) {
    EXPECT_THAT(report_page("first", nlohmann::json::parse(text), MetricCurves(), {}),
                HasSubstr("No step has been logged yet"));
  }
  const StepMetrics diverged{.step = 1, .values = {{metric::kLoss, std::nan("")}}};
  EXPECT_THAT(report_page("first", record(), curves_of({diverged, lines()[0]}), {}),
              Not(HasSubstr("nan")));
}

TEST(Report, IsWrittenFromTheRunDirectory) {
  TemporaryDirectory directory;
  const RunPaths paths{directory / "first"};
  for (const char* name : {"step_00000100", "step_00000200.partial", "step_00000050.damaged"}) {
    local_files().make_directories(paths.checkpoints() + "/" + name);
  }
  append_start(local_files(), paths, record()["starts"][0]);
  MetricsWriter(paths.metrics()).write(lines()[0]);
  write_report(local_files(), paths);
  const std::string page = read_file(local_files(), paths.report());
  EXPECT_THAT(page, HasSubstr("<h1>first</h1>"));
  EXPECT_THAT(page, HasSubstr("step_00000100"));
  EXPECT_THAT(page, Not(HasSubstr(".partial")));
  EXPECT_THAT(page, Not(HasSubstr(".damaged")));
}

TEST(Report, MarksALossThatIsNotFinite) {
  auto steps = lines();
  steps[4].set({metric::kLoss, INFINITY});
  const std::string page = report_page("first", record(), curves_of(steps), {});
  EXPECT_EQ(count_of(page, "class=\"cross\""), 1);
  EXPECT_THAT(page, HasSubstr("<h3>Loss not finite</h3><b>step 50</b>"));
  EXPECT_EQ(count_of(report_page("first", record(), metrics(), {}), "class=\"cross\""), 0);
}

TEST(Report, SaysIfTheLossWasNeverFinite) {
  const StepMetrics diverged{.step = 1, .values = {{metric::kLoss, std::nan("")}}};
  EXPECT_THAT(report_page("first", record(), curves_of({diverged}), {}),
              HasSubstr("The loss was never finite"));
}

TEST(Report, DrawsCustomMetrics) {
  auto steps = lines();
  for (auto& step : steps) step.set({"kl_to_<teacher>", 0.5});
  EXPECT_THAT(report_page("first", record(), curves_of(steps), {}),
              HasSubstr("<h2>kl to &lt;teacher&gt;</h2>"));
}

TEST(Report, IsWrittenEvenIfLinesOrTheRecordCannotBeRead) {
  TemporaryDirectory directory;
  const RunPaths paths{directory.path()};
  write_file(local_files(), paths.metrics(),
             std::string(64, '\0') + "{\"step\":1}\n{\"step\":2,\"loss\":3.0}\n");
  write_file(local_files(), paths.record(), "nonsense");
  EXPECT_THAT(write_report(local_files(), paths), HasSubstr("line 1 cannot be read"));
  EXPECT_THAT(read_file(local_files(), paths.report()), HasSubstr("3.0000"));
}

TEST(Curve, KeepsItsExtremesAndLastPointForAnyLength) {
  MetricCurve curve;
  constexpr int64_t kSteps = 100'000;
  for (int64_t step = 1; step <= kSteps; ++step)
    curve.add(step, step == 54'321 ? 9 : step == 12'345 ? -9 : 1);
  EXPECT_EQ(curve.count(), kSteps);
  EXPECT_EQ(curve.least().x, 12'345);
  EXPECT_EQ(curve.last().x, kSteps);
  EXPECT_LE(curve.extremes().size(), 2 * MetricCurve::kMostBins);
  double low = 0, high = 0, x = 0;
  for (const ChartPoint point : curve.extremes()) {
    low = std::min(low, point.y);
    high = std::max(high, point.y);
    EXPECT_GE(point.x, std::exchange(x, point.x));
  }
  EXPECT_EQ(low, -9);
  EXPECT_EQ(high, 9);
}

TEST(Curve, KeepsAllPointsIfThereAreFew) {
  MetricCurve curve;
  for (int64_t step = 1; step <= 100; ++step) curve.add(step, std::sin(static_cast<double>(step)));
  const auto points = curve.extremes(), means = curve.means();
  ASSERT_EQ(points.size(), 100u);
  for (std::size_t i = 0; i < points.size(); ++i) {
    EXPECT_EQ(points[i].y, std::sin(points[i].x));
    EXPECT_EQ(means[i].y, points[i].y);
  }
}

TEST(Chart, HasFiniteCoordinatesForAnyFiniteValues) {
  for (const auto& [low, high] :
       std::vector<std::pair<double, double>>{{0, 1e25},
                                              {1e25, 1e25},
                                              {1e25, std::nextafter(1e25, 1e26)},
                                              {-1e308, 1e308},
                                              {0, 1e-320},
                                              {5e-324, 1e-323},
                                              {1e9, 1e9 + 1},
                                              {-1e300, -1}}) {
    const std::string svg =
        line_chart({.label = "", .curves = {{.style = "raw", .points = {{1, low}, {2, high}}}}});
    EXPECT_THAT(svg, HasSubstr("<polyline"));
    EXPECT_THAT(svg, Not(HasSubstr("nan"))) << low << ' ' << high;
    EXPECT_THAT(svg, Not(HasSubstr("inf"))) << low << ' ' << high;
    EXPECT_LT(svg.size(), 10'000u) << low << ' ' << high;
  }
}

TEST(Chart, HasRoundTicksThatCoverItsValues) {
  EXPECT_THAT(round_ticks(0, 10, 5), ElementsAre(0, 2, 4, 6, 8, 10));
  EXPECT_THAT(round_ticks(1, 2000, 4), ElementsAre(0, 500, 1000, 1500, 2000));
  EXPECT_THAT(round_ticks(-0.3, 0.3, 3),
              ElementsAre(testing::DoubleEq(-0.4), testing::DoubleEq(-0.2), 0,
                          testing::DoubleEq(0.2), testing::DoubleEq(0.4)));
}

TEST(Chart, LabelsTicksWithTheFewestDistinguishingDigits) {
  EXPECT_EQ(tick_label(1500, 500), "1,500");
  EXPECT_EQ(tick_label(1.5, 0.5), "1.5");
  EXPECT_EQ(tick_label(0.25, 0.05), "0.25");
  EXPECT_EQ(tick_label(0.0005, 0.0005), "0.0005");
  EXPECT_EQ(tick_label(2e-5, 1e-5), "2e-05");
  EXPECT_EQ(tick_label(0, 1e-5), "0");
  EXPECT_EQ(tick_label(1.5e25, 5e24), "1.5e+25");
  EXPECT_EQ(tick_label(2e9, 1e9), "2e+09");
}

TEST(Chart, KeepsExtremesWhenThinned) {
  std::vector<ChartPoint> points;
  for (int i = 0; i < 100'000; ++i) points.push_back({static_cast<double>(i), std::sin(i * 0.01)});
  points[54'321].y = 9;
  points[12'345].y = -9;
  const auto thin = thinned(points, 100);
  EXPECT_LE(thin.size(), 200u);
  EXPECT_TRUE(std::any_of(thin.begin(), thin.end(), [](ChartPoint point) { return point.y == 9; }));
  EXPECT_TRUE(
      std::any_of(thin.begin(), thin.end(), [](ChartPoint point) { return point.y == -9; }));
  EXPECT_TRUE(std::is_sorted(thin.begin(), thin.end(),
                             [](ChartPoint a, ChartPoint b) { return a.x < b.x; }));
}

TEST(Chart, HasFiniteCoordinatesForOnePointOrEqualValues) {
  for (const std::vector<ChartPoint>& points :
       {std::vector<ChartPoint>{{5, 0}}, {{5, 2}, {6, 2}}}) {
    const std::string svg =
        line_chart({.label = "", .curves = {{.style = "raw", .points = points}}});
    EXPECT_THAT(svg, HasSubstr("<polyline"));
    EXPECT_THAT(svg, Not(HasSubstr("nan")));
    EXPECT_THAT(svg, Not(HasSubstr("inf")));
  }
}

TEST(Chart, IsEmptyWithoutPoints) {
  EXPECT_EQ(line_chart({.label = "", .curves = {{.style = "raw"}}}), "");
}

TEST(Smoothing, KeepsAConstantCurveConstant) {
  std::vector<ChartPoint> level(50, {0, 3});
  for (const ChartPoint point : smoothed(level, 10)) EXPECT_DOUBLE_EQ(point.y, 3);
}

std::vector<ComparedRun> two_runs() {
  std::vector<ComparedRun> runs(2);
  for (auto& run : runs) {
    run.record = record();
    for (const auto& line : lines()) run.metrics.add(line);
  }
  runs[0].title = "a<b";
  runs[1].title = "c";
  runs[1].record["starts"][0]["configuration"]["model"]["layers"] = 6;
  return runs;
}

TEST(Comparison, OverlaysTheCurvesOfAllRuns) {
  const std::string page = comparison_page(two_runs());
  EXPECT_THAT(page, HasSubstr("curve run-0"));
  EXPECT_THAT(page, HasSubstr("curve run-1"));
  EXPECT_THAT(page, HasSubstr("a&lt;b"));
}

TEST(Comparison, ListsWhatDiffersAndNothingElse) {
  const std::string page = comparison_page(two_runs());
  EXPECT_THAT(page, HasSubstr("configuration.model.layers</th><td>4</td><td>6</td>"));
  EXPECT_THAT(page, Not(HasSubstr("configuration.schedule.steps")));
}

TEST(Comparison, NeedsNoRecordAndNoMetrics) {
  EXPECT_THAT(comparison_page(std::vector<ComparedRun>(2)), HasSubstr("None in their records."));
}

TEST(RecordDifferences, LeaveOutTimesAndPutTheConfigurationFirst) {
  const nlohmann::json a = {
      {"started_at", "x"}, {"seed", 1}, {"configuration", {{"t", {{"n", 1}}}}}};
  const nlohmann::json b = {{"started_at", "y"}, {"seed", 2}, {"git", {{"commit", "c"}}}};
  const auto differences = record_differences({a, b});
  ASSERT_EQ(differences.size(), 3u);
  EXPECT_EQ(differences[0].key, "configuration.t.n");
  EXPECT_EQ(differences[0].values[1], std::nullopt);
  EXPECT_EQ(differences[1].key, "seed");
  EXPECT_EQ(differences[2].key, "git.commit");
}

}  // namespace
}  // namespace ripieno::io
