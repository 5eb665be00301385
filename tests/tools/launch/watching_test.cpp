// What a launch sees of ranks, hosts, its budget and the run.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "ripieno/tools/launch/budget.h"
#include "ripieno/tools/launch/host_timers.h"
#include "ripieno/tools/launch/last_line.h"
#include "ripieno/tools/launch/mpirun_text.h"
#include "ripieno/tools/launch/progress.h"
#include "ripieno/tools/launch/rank_record.h"
#include "ripieno/tools/launch/stop_request.h"

namespace ripieno::tools {
namespace {

namespace fs = std::filesystem;

class RunProgressTest : public testing::Test {
 protected:
  RunProgressTest() : directory_(fs::path(testing::TempDir()) / ("progress_" + name())) {
    fs::remove_all(directory_);
    fs::create_directories(directory_);
  }
  ~RunProgressTest() override { fs::remove_all(directory_); }

  static std::string name() {
    return testing::UnitTest::GetInstance()->current_test_info()->name() + std::to_string(getpid());
  }
  void append(const std::string& text) {
    std::ofstream(directory_ / "metrics.jsonl", std::ios::app) << text;
  }
  void save(const std::string& checkpoint) {
    fs::create_directories(directory_ / "checkpoints" / checkpoint);
    std::ofstream(directory_ / "checkpoints" / checkpoint / "manifest.json") << "{}";
  }

  const fs::path directory_;
};

TEST_F(RunProgressTest, CountsOnlyStepsThatAreNew) {
  append("{\"step\":10,\"loss\":1}\n");
  RunProgress progress(directory_);
  EXPECT_EQ(progress.newest_step(), 10);
  EXPECT_FALSE(progress.has_finished_a_step());
  append("{\"step\":5,\"resumed\":true}\n");
  progress.update();
  EXPECT_FALSE(progress.has_finished_a_step());
  append("{\"step\":6,\"loss\":1}\n");
  progress.update();
  EXPECT_TRUE(progress.has_finished_a_step());
  EXPECT_EQ(progress.newest_step(), 10);
}

TEST_F(RunProgressTest, LeavesAnIncompleteLineForLater) {
  RunProgress progress(directory_);
  append("{\"step\":1,\"loss\"");
  progress.update();
  EXPECT_FALSE(progress.has_finished_a_step());
  append(":2,\"seconds\":{\"checkpoint\":3.5,\"total\":4.5}}\n");
  progress.update();
  EXPECT_EQ(progress.newest_step(), 1);
  EXPECT_EQ(progress.step_seconds(), 1);
  EXPECT_EQ(progress.save_seconds(), 3.5);
}

TEST_F(RunProgressTest, SurvivesDamagedLines) {
  RunProgress progress(directory_);
  append(std::string("\0\0\n", 3) + "not JSON\n{\"step\":\"x\"}\n{\"step\":2,\"seconds\":7}\n");
  progress.update();
  EXPECT_EQ(progress.newest_step(), 2);
}

TEST_F(RunProgressTest, SeesCheckpointsOfProgramsWithoutMetrics) {
  RunProgress progress(directory_);
  save("step_00000020.partial");
  progress.update();
  EXPECT_FALSE(progress.has_finished_a_step());
  save("step_00000020");
  progress.update();
  EXPECT_TRUE(progress.has_finished_a_step());
  EXPECT_EQ(progress.newest_step(), 20);
}

TEST(RunDirectoryIn, IsThatOfTheArguments) {
  EXPECT_EQ(run_directory_in({"p", "--run-dir", "r"}), "r");
  EXPECT_EQ(run_directory_in({"p", "--config", "c/gpt.toml", "--run-dir=r"}), "r");
  EXPECT_EQ(run_directory_in({"p", "--config", "c/gpt.toml"}), "runs/gpt");
  EXPECT_EQ(run_directory_in({"p", "--run-dir"}), std::nullopt);
  EXPECT_EQ(run_directory_in({"--run-dir", "r"}), std::nullopt);
}

TEST(BudgetTest, SumsUpWhatEachAttemptCosts) {
  Budget budget({.usd = 20.0}, {.per_gpu_hour = 2});
  EXPECT_EQ(budget.seconds_left(0), std::nullopt);
  budget.use(4, 2, 100);
  EXPECT_DOUBLE_EQ(budget.usd_at(100 + 3600), 8);
  budget.use(2, 1, 100 + 3600);
  EXPECT_DOUBLE_EQ(budget.usd_at(100 + 7200), 12);
  EXPECT_DOUBLE_EQ(*budget.seconds_left(100 + 7200), 7200);
  EXPECT_EQ(budget.spent(100 + 7200), "2.00 hours, 12.00 USD");
}

TEST(BudgetTest, EndsAtTheFirstOfItsLimits) {
  Budget budget({.hours = 1.0, .usd = 1.0}, {.per_host_hour = 10});
  budget.use(8, 1, 0);
  EXPECT_DOUBLE_EQ(*budget.seconds_left(0), 360);
  budget.use(8, 0, 0);
  EXPECT_DOUBLE_EQ(*budget.seconds_left(0), 3600);
}

TEST(BudgetTest, LeavesTimeForTheSave) {
  EXPECT_FALSE(must_stop(60, 2, 20));
  EXPECT_TRUE(must_stop(37, 2, 20));
}

TEST(HostTimersTest, AHostIsLostThatReportsNoMore) {
  HostTimers timers({"h1", "h2"}, 0);
  for (int second = 1; second <= 30; ++second) {
    const auto count = static_cast<uint64_t>(second);
    timers.update({{"h1", count}, {"h2", std::min<uint64_t>(count, 10)}}, second);
    EXPECT_EQ(timers.lost(true).empty(), second <= 20) << second;
  }
  EXPECT_EQ(timers.lost(true), (std::vector<std::string>{"h2"}));
}

TEST(HostTimersTest, AHostMayTakeLongToStart) {
  HostTimers timers({"h1"}, 0);
  int second = 1;
  for (; second <= 120; ++second) timers.update({}, second);
  EXPECT_TRUE(timers.lost(false).empty());
  timers.update({}, second);
  EXPECT_EQ(timers.lost(false), (std::vector<std::string>{"h1"}));
  EXPECT_TRUE(timers.lost(true).empty());
}

TEST(HostTimersTest, StorageThatDidNotAnswerIsNoLoss) {
  HostTimers timers({"h1"}, 0);
  timers.update({{"h1", 1}}, 1);
  timers.update({{"h1", 1}}, 61);
  EXPECT_TRUE(timers.lost(true).empty());
}

TEST(MpirunTextTest, NamesTheHostAndTheRankThatWereLost) {
  MpirunText text;
  text.add("rank 0 says: on node h9\nORTE has lost communication with a remote daemon.\n\n");
  text.add("  HNP daemon   : [[38,0],0] on node head\n  Remote daemon: [[38,0],1] on no");
  text.add("de h2\n");
  EXPECT_EQ(text.lost_hosts(), (std::vector<std::string>{"h2"}));
  EXPECT_FALSE(text.killed_rank());
  text.add(
      "mpirun noticed that process rank 3 with PID 0 on node h1 exited on signal 9 (Killed).\n");
  ASSERT_TRUE(text.killed_rank());
  EXPECT_EQ(text.killed_rank()->rank, 3);
  EXPECT_EQ(text.killed_rank()->host, "h1");
  EXPECT_EQ(text.killed_rank()->signal, 9);
}

TEST(MpirunTextTest, NamesAHostThatDoesNotAnswer) {
  MpirunText text;
  text.add("ssh: connect to host h2 port 22: No route to host\r\n");
  text.add("ssh: Could not resolve hostname h3: Name or service not known\n");
  EXPECT_EQ(text.lost_hosts(), (std::vector<std::string>{"h2", "h3"}));
}

TEST(LastLineTest, IsKeptAcrossPieces) {
  LastLine line;
  line.add("first\nthe se");
  line.add("cond\n\n");
  EXPECT_EQ(line.text(), "the second");
  line.add(std::string(5000, 'x'));
  EXPECT_EQ(line.text(), std::string(1000, 'x'));
}

TEST(RankRecord, IsReadAsItWasWritten) {
  const RankEnd rank = {.rank = 3,
                        .host = "h2",
                        .pid = 4711,
                        .status = 74,
                        .time = 1.5,
                        .asked_to_end = true,
                        .last_words = "train_gpt: \xff \"disk\""};
  const auto read = parse_rank_record(to_json(rank));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->pid, 4711);
  EXPECT_EQ(read->status, 74);
  EXPECT_TRUE(read->asked_to_end);
  for (const char* text : {"", "{", "[]", "{\"rank\": \"x\"}", "{\"rank\": 1}"})
    EXPECT_FALSE(parse_rank_record(text)) << text;
}

TEST(AttemptFolderTest, ContainsWhatWrappersWrite) {
  const std::string directory = testing::TempDir() + "attempts_" + std::to_string(getpid());
  const std::string path = next_attempt_folder(directory);
  EXPECT_THAT(path, testing::EndsWith("/launch/attempt_00001"));
  make_attempt_folder(path);
  EXPECT_THAT(next_attempt_folder(directory), testing::EndsWith("/launch/attempt_00002"));
  const AttemptFolder folder(path);
  ASSERT_TRUE(folder.write_started({.rank = 2, .host = "h1"}));
  ASSERT_TRUE(folder.write_ended({.rank = 2, .host = "h1", .signal = 9}));
  ASSERT_TRUE(folder.write_alive("h1.example.org", 7));
  ASSERT_TRUE(folder.write_notice("h1", "AWS"));
  std::ofstream(path + "/rank_00001.ended") << "{ half";
  std::ofstream(path + "/rank_x.ended") << "{}";
  AttemptContents contents;
  update(contents, folder);
  update(contents, folder);
  ASSERT_EQ(contents.ended.size(), 1u);
  EXPECT_EQ(contents.ended[0].signal, 9);
  EXPECT_EQ(contents.started.size(), 1u);
  EXPECT_EQ(contents.alive.at("h1.example.org"), 7u);
  EXPECT_EQ(contents.notices.at("h1"), "AWS");
  fs::remove_all(directory);
}

TEST(StopRequestTest, ASecondSignalASecondLaterEndsAtOnce) {
  StopRequest stop;
  EXPECT_FALSE(stop.take_signal(SIGTERM, 10));
  EXPECT_FALSE(stop.take_signal(SIGTERM, 10.5));
  EXPECT_FALSE(stop.take_signal(SIGUSR1, 20));
  EXPECT_TRUE(stop.take_signal(SIGINT, 21));
  EXPECT_EQ(stop.ends_at_once(), SIGINT);
  EXPECT_EQ(stop.reason(), "signal 15 (Terminated)");
}

}  // namespace
}  // namespace ripieno::tools
