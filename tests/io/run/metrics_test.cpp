#include "ripieno/io/run/metrics.h"

#include <gmock/gmock.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>

#include "io/files/temporary_directory.h"
#include "io/files/tiny_disk.h"
#include "ripieno/core/error.h"
#include "ripieno/io/files/file_system.h"
#include "ripieno/io/run/metrics_lines.h"
#include "ripieno/io/run/metrics_reader.h"

namespace ripieno::io {
namespace {

using testing::HasSubstr;

class Metrics : public testing::Test {
 protected:
  std::string text() const { return read_file(local_files(), path_); }
  void put(const std::string& text) { write_file(local_files(), path_, text); }

  TemporaryDirectory directory_;
  std::string path_ = directory_ / "metrics.jsonl";
};

TEST_F(Metrics, AreWrittenInAFixedOrder) {
  StepMetrics metrics{.step = 3, .seconds = {{"forward", 0.25}, {"total", 0.5}}};
  metrics.values = {{"kl", 0.5}, {"tokens", 768}, {"validation_loss", 2.75}, {"loss", 2.5}};
  MetricsWriter(path_).write(metrics);
  EXPECT_EQ(
      text(),
      R"({"step":3,"loss":2.5,"validation_loss":2.75,"tokens":768,"kl":0.5,"seconds":{"forward":0.25,"total":0.5}})"
      "\n");
}

TEST_F(Metrics, ReadBackExactly) {
  StepMetrics metrics{.step = 1, .seconds = {{"total", std::nextafter(1.0, 2.0)}}};
  metrics.values = {{metric::kLoss, 0.1 + 0.2},
                    {metric::kTokens, std::numeric_limits<int64_t>::max()},
                    {metric::kLearningRate, 1e-300 / 3},
                    {metric::kGradientNorm, static_cast<double>(0.1f)},
                    {"own", -3}};
  MetricsWriter(path_).write(metrics);
  EXPECT_EQ(read_metrics(path_), std::vector{metrics});
}

TEST_F(Metrics, HaveTheSlowestRankAfterTheSeconds) {
  const StepMetrics metrics{.step = 1,
                            .seconds = {{"total", 0.5}},
                            .slowest = {{"rank", 3}, {"score", 1.25}, {"data", 0.5}}};
  MetricsWriter(path_).write(metrics);
  EXPECT_EQ(text(),
            R"({"step":1,"seconds":{"total":0.5},"slowest":{"rank":3,"score":1.25,"data":0.5}})"
            "\n");
  EXPECT_EQ(read_metrics(path_), std::vector{metrics});
}

TEST_F(Metrics, ThatAreNotFiniteAreWrittenAsNull) {
  const StepMetrics metrics{
      .step = 1, .values = {{metric::kLoss, std::nan("")}, {metric::kGradientNorm, INFINITY}}};
  MetricsWriter(path_).write(metrics);
  EXPECT_EQ(text(), "{\"step\":1,\"loss\":null,\"gradient_norm\":null}\n");
  EXPECT_EQ(read_metrics(path_).front().get(metric::kLoss), std::nullopt);
  EXPECT_TRUE(std::isnan(read_metrics(path_).front().find(metric::kLoss)->number()));
}

TEST_F(Metrics, AreAppendedAfterAnIncompleteLastLine) {
  put("{\"step\":1,\"loss\":3.0}\n{\"step\":2,\"lo");
  EXPECT_EQ(read_metrics(path_).size(), 1u);
  MetricsWriter(path_).write({.step = 2, .values = {{"loss", 2.5}}});
  EXPECT_EQ(text(), "{\"step\":1,\"loss\":3.0}\n{\"step\":2,\"loss\":2.5}\n");
}

TEST_F(Metrics, OfAStepWithSeveralLinesAreTheLaterOnes) {
  put("{\"step\":1,\"loss\":3.0}\n{\"step\":2,\"loss\":2.0}\n{\"step\":2,\"loss\":2.5}\n{\"step\":"
      "2,\"validation_loss\":2.75}\n");
  const auto metrics = read_metrics(path_);
  ASSERT_EQ(metrics.size(), 2u);
  EXPECT_EQ(metrics[1].get(metric::kLoss), 2.5);
  EXPECT_EQ(metrics[1].get(metric::kValidationLoss), 2.75);
}

TEST_F(Metrics, AreReadInTheOrderOfSteps) {
  put("{\"step\":20}\n{\"step\":3}\n");
  EXPECT_EQ(read_metrics(path_).front().step, 3);
}

TEST_F(Metrics, ThatCannotBeParsedAreSkippedAndReportedByLine) {
  for (const std::string& line :
       {std::string("nonsense"), std::string("{}"), std::string("{\"step\":\"two\"}"),
        std::string("{\"step\":2,\"loss\":\"high\"}"), std::string("[1]"),
        std::string("{\"step\":2,\"seconds\":3}"), std::string(),
        std::string(64, '\0') + "{\"step\":2}",
        std::string(kLongestLine + 1, ' ') + "{\"step\":2}"}) {
    put("{\"step\":1}\n" + line + "\n{\"step\":3}\n");
    std::vector<int64_t> steps;
    const auto skipped =
        for_each_step(path_, [&](const StepMetrics& step) { steps.push_back(step.step); });
    EXPECT_THAT(steps, testing::ElementsAre(1, 3)) << line;
    EXPECT_THAT(skipped.description(path_), HasSubstr("line 2 cannot be read")) << line;
  }
}

TEST_F(Metrics, OfLaterStepsAreIgnoredAfterARunResumesFromAnEarlierStep) {
  for (int64_t step = 1; step <= 40; ++step)
    MetricsWriter(path_).write(
        {.step = step, .values = {{"loss", 40.0}, {"validation_loss", 1.0}}});
  for (int64_t step = 30; step <= 50; step += 10) {
    MetricsWriter writer(path_, /*after_step=*/20);
    if (step == 30) writer.write({.step = step, .values = {{"loss", 25.0}}});
  }
  const auto metrics = read_metrics(path_);
  ASSERT_EQ(metrics.size(), 20u) << "the run resumed from step 20 twice";
  EXPECT_EQ(metrics.back().step, 20);
  MetricsWriter(path_, 20).write({.step = 25, .values = {{"loss", 25.0}}});
  EXPECT_EQ(read_metrics(path_).back().step, 25);
  EXPECT_EQ(read_metrics(path_).back().get("validation_loss"), std::nullopt);
}

TEST_F(Metrics, OfARunThatResumesFromItsLastStepAreAppended) {
  MetricsWriter(path_).write({.step = 20});
  MetricsWriter(path_, 20).write({.step = 21});
  EXPECT_EQ(text(), "{\"step\":20}\n{\"step\":21}\n");
}

// Earlier versions did not write branch lines.
TEST_F(Metrics, WithDecreasingStepsAreOfARunThatResumedFromAnEarlierStep) {
  put("{\"step\":1}\n{\"step\":2,\"loss\":2.0}\n{\"step\":3}\n{\"step\":2,\"loss\":1.5}\n");
  const auto metrics = read_metrics(path_);
  ASSERT_EQ(metrics.size(), 2u);
  EXPECT_EQ(metrics[1].get("loss"), 1.5);
}

TEST_F(Metrics, RejectReservedNamesOfCustomMetrics) {
  for (const char* name : {"", "step", "seconds", "loss", "tokens_per_s", "two\nlines"})
    EXPECT_THROW(require_custom_metric_name(name), Error) << name;
  EXPECT_NO_THROW(require_custom_metric_name("kl"));
}

TEST_F(Metrics, AreEmptyIfThereIsNoFile) { EXPECT_TRUE(read_metrics(path_).empty()); }

TEST_F(Metrics, RequireAnExistingDirectory) {
  EXPECT_THROW(MetricsWriter(directory_ / "none/metrics.jsonl"), StorageError);
}

// Writes lines until the process is killed, after a random number of lines.
void write_until_killed(const std::string& path) {
  MetricsWriter writer(path);
  StepMetrics metrics{.step = 0,
                      .values = {{metric::kLoss, 1.0 / 3}},
                      .seconds = {{"forward", 1.0 / 7}, {"backward", 1.0 / 9}}};
  while (true) {
    ++metrics.step;
    writer.write(metrics);
  }
}

// A write is not atomic: the last line can be incomplete.
TEST_F(Metrics, AreCompleteLinesExceptTheLastAfterTheWriterIsKilled) {
  for (int attempt = 0; attempt < 60; ++attempt) {
    const pid_t writer = ::fork();
    if (writer == 0) write_until_killed(path_);
    ::usleep(1'000 + 200 * static_cast<useconds_t>(attempt));
    ::kill(writer, SIGKILL);
    ::waitpid(writer, nullptr, 0);
    std::string lines = local_files().exists(path_) ? text() : "";
    lines.resize(lines.rfind('\n') + 1);  // 0 if there is none
    std::istringstream stream(
        lines.substr(lines.size() < 100'000 ? 0 : lines.find('\n', lines.size() - 100'000) + 1));
    for (std::string line; std::getline(stream, line);)
      ASSERT_TRUE(nlohmann::json::accept(line)) << line;
  }
  const auto skipped = for_each_step(path_, [](const StepMetrics&) {});
  EXPECT_EQ(skipped.count, 0);
}

// An incomplete last line is ignored by readers and removed by the next writer.
TEST_F(Metrics, TruncatedAnywhereInTheLastLineAreReadAndContinued) {
  const std::string first = "{\"step\":1,\"loss\":3.0}\n", second = "{\"step\":2,\"loss\":2.5}";
  for (std::size_t kept = 0; kept <= second.size(); ++kept) {
    put(first + second.substr(0, kept));
    EXPECT_EQ(read_metrics(path_).size(), 1u) << kept;
    MetricsWriter(path_).write({.step = 2, .values = {{"loss", 2.5}}});
    EXPECT_EQ(text(), first + second + "\n") << kept;
  }
}

TEST(MetricsOnAFullDisk, HaveOnlyCompleteLines) {
  TinyDisk disk("64k");
  if (!disk.is_mounted()) GTEST_SKIP() << "only root may mount a disk to fill";
  MetricsWriter writer(disk / "metrics.jsonl");
  int64_t step = 0;
  EXPECT_THROW(while (step < 100'000) writer.write({.step = ++step, .values = {{"loss", 1.0 / 3}}}),
               StorageError);
  EXPECT_EQ(std::ssize(read_metrics(disk / "metrics.jsonl")), step - 1);
  EXPECT_EQ(read_file(local_files(), disk / "metrics.jsonl").back(), '\n');
}

}  // namespace
}  // namespace ripieno::io
