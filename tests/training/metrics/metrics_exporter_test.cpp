#include "ripieno/training/metrics/metrics_exporter.h"

#include <gmock/gmock.h>

#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>

#include "io/files/temporary_directory.h"
#include "ripieno/io/files/file_system.h"
#include "ripieno/io/run/event_file.h"
#include "ripieno/io/run/metrics_reader.h"
#include "training/run/tiny_run.h"

namespace ripieno {
namespace {

using testing::HasSubstr;

std::string text_of(const std::string& path) { return io::read_file(io::local_files(), path); }

// The records of all event files of a run, in the order of their names.
std::vector<std::string> events_of(const std::string& run) {
  std::vector<std::string> records;
  for (const auto& name : io::local_files().names_in(run + "/events")) {
    const auto found = io::read_event_records(text_of(run + "/events/" + name));
    EXPECT_TRUE(found.ends_whole);
    records.insert(records.end(), found.data.begin(), found.data.end());
  }
  return records;
}

TEST(MetricsExporter, WritesEventFilesAndMetricsForPrometheusOfARun) {
  const TemporaryDirectory directory;
  TinyRun run{.directory = directory / "run"};
  run.options.metrics.histograms_every = 12;
  run.train_on(1);
  const auto events = events_of(run.directory);
  EXPECT_THAT(events, testing::Contains(HasSubstr("train/loss")));
  EXPECT_THAT(events, testing::Contains(HasSubstr("validation/loss")));
  EXPECT_THAT(events, testing::Contains(HasSubstr("weights/")));
  EXPECT_THAT(events, testing::Contains(HasSubstr("gradients/")));
  const std::string metrics = text_of(run.directory + "/metrics.prom");
  EXPECT_THAT(metrics, HasSubstr("ripieno_step{run=\"run\""));
  EXPECT_THAT(metrics, HasSubstr("\nripieno_loss{"));
  EXPECT_THAT(metrics, HasSubstr("ripieno_checkpoint_last_success_timestamp_seconds{"));
}

TEST(MetricsExporter, RunsTheCommandOfAnAlertAndRecordsIt) {
  const TemporaryDirectory directory;
  TinyRun run{.directory = directory / "run"};
  const std::string out = directory / "out";
  run.options.metrics.alerts = {
      "loss > 0 for 3 steps -> echo $RIPIENO_ALERT_STEP $RIPIENO_ALERT_METRIC > " + out};
  run.train_on(1);
  for (int i = 0; i < 1000 && !std::filesystem::exists(out); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  for (int i = 0; i < 1000 && text_of(out).empty(); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_EQ(text_of(out), "3 loss\n");
  const auto lines = io::read_metrics(run.directory + "/metrics.jsonl");
  EXPECT_THAT(lines.at(2).alerts, testing::ElementsAre("loss > 0 for 3 steps"));
  EXPECT_THAT(text_of(run.directory + "/metrics.prom"), HasSubstr("ripieno_alerts_total{"));
}

TEST(MetricsExporter, NamesOnceWhatItCannotWrite) {
  const TemporaryDirectory directory;
  io::write_file(io::local_files(), directory / "events", "a file, not a directory");
  MetricsExporter exporter({.prometheus_directory = directory / "no"},
                           {.directory = directory.path()}, nlohmann::json::object());
  exporter.begin_after(0);
  io::StepMetrics line{.step = 1, .values = {{"loss", 2.0}}};
  exporter.write(line);
  exporter.finish();
  const auto remarks = exporter.take_remarks();
  EXPECT_EQ(remarks.size(), 2u) << testing::PrintToString(remarks);
  EXPECT_TRUE(std::filesystem::exists(directory / "metrics.prom"));
}

// What an exporter with these rules says about a line with a loss of 2.
std::vector<std::string> remarks_of(const std::string& directory,
                                    const std::vector<std::string>& rules,
                                    const std::vector<io::Metric>& more = {}) {
  MetricsExporter exporter({.tensorboard = false, .prometheus = false, .alerts = rules},
                           {.directory = directory}, nlohmann::json::object());
  exporter.begin_after(0);
  io::StepMetrics line{.step = 1, .values = {{"loss", 2.0}}};
  for (const auto& metric : more) line.set(metric);
  exporter.write(line);
  auto remarks = exporter.take_remarks();
  exporter.finish();
  for (auto& remark : exporter.take_remarks()) remarks.push_back(std::move(remark));
  return remarks;
}

TEST(MetricsExporter, ReportsACommandThatFailsInTheLastSecond) {
  const TemporaryDirectory directory;
  EXPECT_THAT(remarks_of(directory.path(), {"loss > 1 -> sleep 0.2; exit 3"}),
              testing::ElementsAre(HasSubstr("alert: loss > 1"),
                                   HasSubstr("alert loss > 1: its command ended with status 3")));
}

TEST(MetricsExporter, NeverShowsACommand) {
  const TemporaryDirectory directory;
  for (const auto& remark : remarks_of(directory.path(), {"loss > 1 -> : secret; exit 3"}))
    EXPECT_THAT(remark, testing::Not(HasSubstr("secret")));
}

TEST(MetricsExporter, RunsTheSameCommandForEachRule) {
  const TemporaryDirectory directory;
  const std::string command = " -> echo x >> " + (directory / "out") + "; sleep 0.2";
  remarks_of(directory.path(), {"loss > 1" + command, "loss > 1.5" + command});
  EXPECT_EQ(text_of(directory / "out"), "x\nx\n");
}

TEST(MetricsExporter, ReportsThatALogOfCommandsCannotBeOpened) {
  const TemporaryDirectory directory;
  io::local_files().make_directories(directory / "alerts.log");
  EXPECT_THAT(remarks_of(directory.path(), {"loss > 1 -> true"}),
              testing::Contains(testing::AllOf(HasSubstr("alerts.log"), HasSubstr("directory"))));
}

TEST(MetricsExporter, NamesRulesThatCannotFire) {
  const TemporaryDirectory directory;
  const auto cannot_fire = HasSubstr("this run has logged no accuracy, so it cannot fire");
  EXPECT_THAT(remarks_of(directory.path(), {"accuracy < 0.5"}), testing::ElementsAre(cannot_fire));
  EXPECT_THAT(remarks_of(directory.path(), {"accuracy < 0.5"}, {{"accuracy", 0.75}}),
              testing::IsEmpty());
  EXPECT_THAT(remarks_of(directory.path(), {"accuracy < 0.5"}, {{"validation_loss", 2.0}}),
              testing::ElementsAre(cannot_fire));
}

TEST(MetricsExporter, WritesTheUtilizationIfThePeakIsKnown) {
  const TemporaryDirectory directory;
  for (const double of_a_token : {0.0, 1e-6}) {
    MetricsExporter exporter({.tensorboard = false},
                             {.directory = directory.path(), .utilization_per_token = of_a_token},
                             nlohmann::json::object());
    exporter.begin_after(0);
    io::StepMetrics line{.step = 1, .values = {{"tokens_per_s", 250'000.0}}};
    exporter.write(line);
    exporter.finish();
    const std::string text = text_of(directory / "metrics.prom");
    EXPECT_EQ(text.find("ripieno_model_flops_utilization_ratio") != text.npos, of_a_token > 0);
    EXPECT_EQ(text.find("} 0.25\n") != text.npos, of_a_token > 0);
  }
}

TEST(MetricsExporter, RemovesWhatKilledWritersOfMetricsForPrometheusLeft) {
  const TemporaryDirectory directory;
  io::write_file(io::local_files(), directory / "metrics.prom.0123abcd.partial", "half of it");
  MetricsExporter({.tensorboard = false}, {.directory = directory.path()}, nlohmann::json::object())
      .finish();
  EXPECT_THAT(io::local_files().names_in(directory.path()), testing::ElementsAre("metrics.prom"));
}

TEST(MetricsExporter, RefusesABadRuleBeforeTheFirstStep) {
  const TemporaryDirectory directory;
  TinyRun run{.directory = directory / "run"};
  run.options.metrics.alerts = {"los > 1"};
  EXPECT_THROW(run.train_on(1), ConfigurationError);
}

}  // namespace
}  // namespace ripieno
