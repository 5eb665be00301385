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

TEST_F(Metrics, AreWrittenAsTheyAreNamed) {
  StepMetrics metrics{.step = 3, .loss = 2.5, .seconds = {{"forward", 0.25}, {"total", 0.5}}};
  metrics.tokens = 768;
  metrics.validation_loss = 2.75;
  MetricsWriter(path_).write(metrics);
  EXPECT_EQ(
      text(),
      R"({"step":3,"loss":2.5,"validation_loss":2.75,"tokens":768,"seconds":{"forward":0.25,"total":0.5}})"
      "\n");
}

TEST_F(Metrics, ReadBackExactly) {
  StepMetrics metrics{
      .step = 1, .loss = 0.1 + 0.2, .seconds = {{"total", std::nextafter(1.0, 2.0)}}};
  metrics.learning_rate = 1e-300 / 3;
  metrics.gradient_norm = static_cast<double>(0.1f);
  metrics.tokens = std::numeric_limits<int64_t>::max();
  MetricsWriter(path_).write(metrics);
  EXPECT_EQ(read_metrics(path_), std::vector{metrics});
}

TEST_F(Metrics, ThatAreNotFiniteAreNull) {
  StepMetrics metrics{.step = 1, .loss = std::nan("")};
  metrics.gradient_norm = INFINITY;
  MetricsWriter(path_).write(metrics);
  EXPECT_EQ(text(), "{\"step\":1,\"loss\":null,\"gradient_norm\":null}\n");
  EXPECT_EQ(read_metrics(path_).front().loss, std::nullopt);
}

TEST_F(Metrics, GoOnAfterALineThatWasCutShort) {
  put("{\"step\":1,\"loss\":3.0}\n{\"step\":2,\"lo");
  EXPECT_EQ(read_metrics(path_).size(), 1u);
  MetricsWriter(path_).write({.step = 2, .loss = 2.5});
  EXPECT_EQ(text(), "{\"step\":1,\"loss\":3.0}\n{\"step\":2,\"loss\":2.5}\n");
}

TEST_F(Metrics, OfAStepThatStandsTwiceAreTheLater) {
  put("{\"step\":1,\"loss\":3.0}\n{\"step\":2,\"loss\":2.0}\n{\"step\":2,\"loss\":2.5}\n{\"step\":"
      "2,\"validation_loss\":2.75}\n");
  const auto metrics = read_metrics(path_);
  ASSERT_EQ(metrics.size(), 2u);
  EXPECT_EQ(metrics[1].loss, 2.5);
  EXPECT_EQ(metrics[1].validation_loss, 2.75);
}

TEST_F(Metrics, ComeInTheOrderOfSteps) {
  put("{\"step\":20}\n{\"step\":3}\n");
  EXPECT_EQ(read_metrics(path_).front().step, 3);
}

TEST_F(Metrics, ThatCannotBeReadAreNamedByTheirLine) {
  for (const char* line : {"nonsense", "{}", "{\"step\":\"two\"}", "{\"step\":2,\"loss\":\"high\"}",
                           "[1]", "{\"step\":2,\"seconds\":3}"}) {
    put(std::string("{\"step\":1}\n") + line + "\n");
    try {
      read_metrics(path_);
      ADD_FAILURE() << line << " was read";
    } catch (const DataError& error) {
      EXPECT_THAT(error.what(), HasSubstr("line 2"));
    }
  }
}

TEST_F(Metrics, AreNoneWhereThereIsNoFile) { EXPECT_TRUE(read_metrics(path_).empty()); }

TEST_F(Metrics, RefuseAPlaceThatDoesNotExist) {
  EXPECT_THROW(MetricsWriter(directory_ / "none/metrics.jsonl"), StorageError);
}

// A process that writes lines until it is killed; how long it lives is up to chance.
void write_until_killed(const std::string& path) {
  MetricsWriter writer(path);
  StepMetrics metrics{
      .step = 0, .loss = 1.0 / 3, .seconds = {{"forward", 1.0 / 7}, {"backward", 1.0 / 9}}};
  while (true) {
    ++metrics.step;
    writer.write(metrics);
  }
}

TEST_F(Metrics, AreWholeLinesAfterTheWriterWasKilled) {
  for (int attempt = 0; attempt < 10; ++attempt) {
    const pid_t writer = ::fork();
    if (writer == 0) write_until_killed(path_);
    ::usleep(2'000 + 1'000 * attempt);
    ::kill(writer, SIGKILL);
    ::waitpid(writer, nullptr, 0);
    std::istringstream lines(local_files().exists(path_) ? text() : "");
    for (std::string line; std::getline(lines, line);)
      EXPECT_TRUE(nlohmann::json::accept(line)) << line;
  }
  EXPECT_FALSE(read_metrics(path_).empty());
}

TEST(MetricsOnAFullDisk, StayWholeLines) {
  TinyDisk disk("64k");
  if (!disk.is_mounted()) GTEST_SKIP() << "only root may mount a disk to fill";
  MetricsWriter writer(disk / "metrics.jsonl");
  int64_t step = 0;
  EXPECT_THROW(while (step < 100'000) writer.write({.step = ++step, .loss = 1.0 / 3}),
               StorageError);
  EXPECT_EQ(std::ssize(read_metrics(disk / "metrics.jsonl")), step - 1);
  EXPECT_EQ(read_file(local_files(), disk / "metrics.jsonl").back(), '\n');
}

}  // namespace
}  // namespace ripieno::io
