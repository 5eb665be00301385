#include "ripieno/tools/launch/decision.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ripieno::tools {
namespace {

const std::vector<Host> kHosts = {{"h1", 2}, {"h2", 2}, {"h3", 2}};

RankEnd failed(int rank, int status, double time, const std::string& words = "p: why") {
  return {.rank = rank, .host = "h1", .status = status, .time = time, .last_words = words};
}
RankEnd killed(int rank, const std::string& host, int signal, double time) {
  return {.rank = rank, .host = host, .signal = signal, .time = time};
}
AttemptEnd after_steps(AttemptEnd end) {
  end.finished_a_step = end.has_progress = true;
  return end;
}
std::vector<int> order(const std::vector<RankEnd>& ranks) {
  std::vector<int> numbers;
  for (const auto& rank : by_cause(ranks)) numbers.push_back(rank.rank);
  return numbers;
}
std::vector<std::string> names(const std::vector<Host>& hosts) {
  std::vector<std::string> all;
  for (const auto& host : hosts) all.push_back(host.name);
  return all;
}

TEST(Cause, IsTheFirstFailureThatNoOtherCaused) {
  RankEnd ended_by_mpirun = killed(2, "h1", 15, 0.5);
  ended_by_mpirun.asked_to_end = true;
  EXPECT_EQ(order({failed(0, 76, 1), killed(1, "h1", 9, 2), ended_by_mpirun, failed(3, 0, 0)}),
            (std::vector<int>{1, 0, 2}));
  EXPECT_EQ(order({failed(0, 74, 2), failed(1, 74, 1)}), (std::vector<int>{1, 0}));
}

TEST(Cause, IsTheRankWithAMessageWhereOthersAreSilent) {
  EXPECT_EQ(order({failed(0, 74, 1, ""), failed(1, 74, 2)}), (std::vector<int>{1, 0}));
  EXPECT_EQ(order({failed(0, 76, 1), failed(1, 76, 2)}), (std::vector<int>{0, 1}));
}

TEST(Cause, IsTheHostIfItsDaemonEndedItsRanks) {
  RankEnd ended = killed(1, "h2", 15, 1);
  ended.asked_to_end = true;
  EXPECT_EQ(hosts_without_mpirun({ended, failed(0, 0, 1)}), (std::set<std::string>{"h2"}));
  EXPECT_TRUE(hosts_without_mpirun({ended, killed(0, "h1", 9, 1)}).empty());
}

TEST(Decision, AFinishedProgramIsNotRestarted) {
  History history;
  const auto decision = decide(after_steps({}), {}, {}, history);
  EXPECT_FALSE(decision.restart);
  EXPECT_EQ(decision.status, 0);
}

TEST(Decision, AKilledRankIsRestarted) {
  History history;
  const auto decision =
      decide(after_steps({.status = 137, .ranks = {killed(1, "h2", 9, 1)}}), kHosts, {}, history);
  EXPECT_TRUE(decision.restart);
  EXPECT_EQ(decision.hosts, kHosts);
  EXPECT_EQ(history.failures.at("h2"), 1);
}

TEST(Decision, LostPeersAndFailedStorageAreRestarted) {
  for (const int status : {71, 74, 76, 1, 137, 205}) {
    History history;
    EXPECT_TRUE(decide(after_steps({.status = status}), {}, {}, history).restart) << status;
  }
}

TEST(Decision, AFinalStatusIsNot) {
  for (const int status : {64, 65, 70, 72, 78, 79, 93, 126, 127}) {
    History history;
    const auto decision =
        decide(after_steps({.status = 1, .ranks = {failed(0, status, 1)}}), {}, {}, history);
    EXPECT_FALSE(decision.restart) << status;
    EXPECT_EQ(decision.status, status);
  }
}

TEST(Decision, AProgramThatHasNotFinishedOneStepIsNotRestarted) {
  History history;
  const auto decision = decide({.status = 137, .ranks = {killed(0, "h1", 9, 1)}}, {}, {}, history);
  EXPECT_FALSE(decision.restart);
  EXPECT_EQ(decision.status, 137);
  EXPECT_THAT(decision.reason, testing::HasSubstr("has not finished one step"));
}

TEST(Decision, UnlessAHostWasLost) {
  History history;
  const auto decision = decide({.status = 205, .lost = {"h2"}}, kHosts, {}, history);
  EXPECT_TRUE(decision.restart);
  EXPECT_EQ(names(decision.hosts), (std::vector<std::string>{"h1", "h3"}));
}

TEST(Decision, AStopOnRequestEndsTheLaunch) {
  History history;
  EXPECT_EQ(decide(after_steps({.status = 75, .stop_requested = true}), {}, {}, history).status,
            75);
  const auto failed_save =
      decide(after_steps({.status = 74, .ranks = {failed(0, 74, 1)}, .stop_requested = true}), {},
             {}, history);
  EXPECT_FALSE(failed_save.restart);
  EXPECT_EQ(failed_save.status, 74);
}

TEST(Decision, ASaveThatSomeoneElseRequestedEndsIt) {
  History history;
  const auto decision = decide(after_steps({.status = 75}), {}, {}, history);
  EXPECT_FALSE(decision.restart);
  EXPECT_EQ(decision.status, 75);
}

TEST(Decision, APreemptedHostIsLeftOutAfterTheSave) {
  History history;
  const auto decision = decide(after_steps({.status = 75, .leaving = {"h3"}}), kHosts, {}, history);
  EXPECT_TRUE(decision.restart);
  EXPECT_EQ(names(decision.hosts), (std::vector<std::string>{"h1", "h2"}));
}

TEST(Decision, RestartsWithoutProgressEndWith93) {
  History history;
  const Limits limits = {.max_in_vain = 2};
  const AttemptEnd in_vain = {.status = 74, .finished_a_step = true};
  EXPECT_TRUE(decide(after_steps({.status = 74}), {}, limits, history).restart);
  EXPECT_TRUE(decide(in_vain, {}, limits, history).restart);
  const auto decision = decide(in_vain, {}, limits, history);
  EXPECT_FALSE(decision.restart);
  EXPECT_EQ(decision.status, 93);
}

TEST(Decision, ProgressForgetsEarlierRestartsInVain) {
  History history;
  const Limits limits = {.max_in_vain = 2};
  const AttemptEnd in_vain = {.status = 74, .finished_a_step = true};
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(decide(after_steps({.status = 74}), {}, limits, history).restart);
    EXPECT_TRUE(decide(in_vain, {}, limits, history).restart);
  }
}

TEST(Decision, TheLimitOfRestartsKeepsTheStatus) {
  History history;
  const Limits limits = {.max_restarts = 1};
  EXPECT_TRUE(decide(after_steps({.status = 74}), {}, limits, history).restart);
  EXPECT_EQ(decide(after_steps({.status = 74}), {}, limits, history).status, 74);
  History another;
  EXPECT_TRUE(decide(after_steps({.status = 74}), {}, limits, another).restart);
  EXPECT_EQ(decide({.status = 74, .finished_a_step = true}, {}, limits, another).status, 93);
}

TEST(Decision, AHostThatFailedTwiceIsLeftOut) {
  History history;
  const auto end = after_steps({.status = 137, .ranks = {killed(3, "h2", 9, 1)}});
  EXPECT_EQ(decide(end, kHosts, {}, history).hosts.size(), 3u);
  EXPECT_EQ(names(decide(end, kHosts, {}, history).hosts), (std::vector<std::string>{"h1", "h3"}));
}

TEST(Decision, AnErrorOfTheProgramDoesNotBlameItsHost) {
  History history;
  for (int i = 0; i < 3; ++i)
    decide(after_steps({.status = 74, .ranks = {failed(0, 74, 1)}}), kHosts, {}, history);
  EXPECT_TRUE(history.failures.empty());
}

TEST(RemainingHosts, IncludeDoubtfulOnesOnlyIfTooFewAreLeft) {
  History history;
  history.failures = {{"h1", 2}, {"h2", 1}, {"h3", 2}};
  history.unavailable = {"h2", "h3"};
  EXPECT_EQ(names(remaining_hosts(kHosts, history, 1)), (std::vector<std::string>{"h1"}));
  EXPECT_EQ(names(remaining_hosts(kHosts, history, 4)), (std::vector<std::string>{"h1", "h2"}));
  EXPECT_EQ(names(remaining_hosts(kHosts, history, 6)), (std::vector<std::string>{"h1", "h2"}));
}

TEST(Decision, TooFewRanksEndTheLaunch) {
  History history;
  history.failures = {{"h2", 1}, {"h3", 2}};
  history.unavailable = {"h3"};
  const auto decision =
      decide(after_steps({.status = 205, .lost = {"h2"}}), kHosts, {.min_ranks = 3}, history);
  EXPECT_FALSE(decision.restart);
  EXPECT_EQ(decision.status, 76);
  EXPECT_THAT(decision.reason, testing::HasSubstr("take 2 ranks, --min-ranks is 3"));
}

}  // namespace
}  // namespace ripieno::tools
