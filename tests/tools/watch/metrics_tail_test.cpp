#include "ripieno/tools/watch/metrics_tail.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "io/files/temporary_directory.h"

namespace ripieno::tools::watch {
namespace {

class MetricsTailTest : public testing::Test {
 protected:
  void append(const std::string& text) { std::ofstream(path, std::ios::app) << text; }
  void append_steps(int64_t first, int64_t last, double loss = 1) {
    std::ofstream file(path, std::ios::app);
    for (int64_t step = first; step <= last; ++step)
      file << fmt::format("{{\"step\":{},\"loss\":{},\"seconds\":{{\"total\":0.5}}}}\n", step,
                          loss);
  }
  const Measured& poll() {
    tail.poll(io::local_files());
    return tail.measured();
  }

  io::TemporaryDirectory directory;
  std::string path = directory.path() + "/metrics.jsonl";
  MetricsTail tail{path};
};

TEST_F(MetricsTailTest, HasNothingOfAMissingFile) {
  EXPECT_EQ(poll().step, 0);
  append_steps(1, 3);
  EXPECT_EQ(poll().step, 3);
}

TEST_F(MetricsTailTest, FollowsAFileAndWaitsForTheEndOfALine) {
  append_steps(1, 3);
  append("{\"step\":4,\"lo");
  EXPECT_EQ(poll().step, 3);
  append("ss\":2.5}\n");
  EXPECT_EQ(poll().step, 4);
  EXPECT_EQ(poll().newest.get("loss"), 2.5);
  EXPECT_EQ(poll().loss.points().size(), 4u);
  EXPECT_EQ(poll().step_seconds(), 0.5);
}

TEST_F(MetricsTailTest, IgnoresANegativeStep) {
  append_steps(1, 3);
  append("{\"step\":-4,\"loss\":2.5}\n");
  EXPECT_EQ(poll().step, 3);
  EXPECT_EQ(poll().loss.points().size(), 3u);
  EXPECT_EQ(poll().unreadable, 1);
}

TEST_F(MetricsTailTest, GoesBackWithTheRun) {
  append_steps(1, 10);
  poll();
  append("{\"step\":4,\"resumed\":true}\n");
  EXPECT_EQ(poll().step, 4);
  append_steps(5, 5, 7);
  EXPECT_EQ(poll().loss.points().size(), 5u);
}

TEST_F(MetricsTailTest, SkipsLinesThatCannotBeRead) {
  append_steps(1, 2);
  append(std::string(64, '\0') + "\n{\"step\":3,\"loss\":\n{\"step\":\"x\"}\n\n");
  append_steps(4, 4);
  EXPECT_EQ(poll().step, 4);
  EXPECT_EQ(poll().unreadable, 4);
}

TEST_F(MetricsTailTest, BeginsAnewIfTheFileWasReplaced) {
  append_steps(1, 100);
  poll();
  std::filesystem::remove(path);
  append_steps(1, 2);
  EXPECT_EQ(poll().step, 2);
  EXPECT_EQ(poll().loss.points().size(), 2u);
}

TEST_F(MetricsTailTest, ReadsPartsOfALargeFileFromItsBeginningToItsEnd) {
  append_steps(1, 200'000);
  EXPECT_EQ(poll().step, 200'000);
  EXPECT_TRUE(poll().is_sampled);
  const auto points = poll().loss.points();
  EXPECT_GT(points.size(), 400u);
  EXPECT_LT(points.front().x, 1000);
}

TEST_F(MetricsTailTest, JumpsToTheEndIfMoreWasAppendedThanItReads) {
  append_steps(1, 2);
  poll();
  append_steps(3, 20'000);
  EXPECT_EQ(poll().step, 20'000);
  EXPECT_TRUE(poll().is_sampled);
}

}  // namespace
}  // namespace ripieno::tools::watch
