#include "ripieno/io/run/run_account.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "ripieno/io/run/report_account.h"

namespace ripieno::io {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::Pair;

// A start at a minute of an hour that took 100 steps of 1 s from `first_step` on, and 20 s more.
nlohmann::json start(int minute, int64_t first_step) {
  nlohmann::json json = {{"world_size", 4},
                         {"hosts", {"a", "a", "b", "b"}},
                         {"progress",
                          {{"first_step", first_step},
                           {"step", first_step + 100},
                           {"tokens", (first_step + 100) * 1000},
                           {"skipped_steps", 1},
                           {"rollbacks", 2},
                           {"seconds",
                            {{"total", 120},
                             {"data", 10},
                             {"forward", 30},
                             {"backward", 40},
                             {"optimizer", 5},
                             {"communication_exposed", 15},
                             {"checkpoint", 3},
                             {"starting", 8},
                             {"validation", 4},
                             {"undone", 2}}}}}};
  json["started_at"] =
      "2026-01-02T03:" + std::string(minute < 10 ? "0" : "") + std::to_string(minute) + ":00Z";
  json["progress"]["at"] = json["started_at"];
  return json;
}

TEST(RunAccount, DividesTheTimeOfARun) {
  const auto account = account_of({{"starts", {start(0, 0)}}}).value();
  EXPECT_EQ(account.seconds, 120);
  EXPECT_EQ(account.effective, 100);
  EXPECT_THAT(account.lost, ElementsAre(Pair("starting and loading", 8), Pair("validation", 4),
                                        Pair("saving checkpoints", 3), Pair("other", 3),
                                        Pair("steps that were undone", 2)));
  EXPECT_THAT(account.inside, ElementsAre(Pair("communication that nothing overlaps", 15),
                                          Pair("waiting for data", 10)));
  EXPECT_EQ(account.starts, 1);
  EXPECT_EQ(account.skipped_steps, 1);
  EXPECT_EQ(account.rollbacks, 2);
  EXPECT_EQ(account.units, 100'000);
  EXPECT_EQ(account.unit, "tokens");
  EXPECT_EQ(account.usd, std::nullopt);
}

TEST(RunAccount, KnowsTheUtilizationOfATokenPerSecond) {
  auto known = start(0, 0);
  EXPECT_EQ(utilization_per_token(known), 0);
  known["configuration"]["model"] = {{"layers", 2}, {"channels", 10}, {"context", 5}};
  known["memory"]["parameters"] = 1050;
  EXPECT_EQ(utilization_per_token(known), 0);
  known["cost"]["peak_tflops_per_rank"] = 0.5;
  // 6 x 1,000 and 12 x 2 x 10 x 5 of 4 x 0.5 x 10^12
  EXPECT_DOUBLE_EQ(utilization_per_token(known), 7200 / 2e12);
}

// The second start began 60 s after the first one was last heard of, 25 steps before.
TEST(RunAccount, CountsWhatAKillCosts) {
  const auto account = account_of({{"starts", {start(0, 0), start(3, 75)}}}).value();
  EXPECT_EQ(account.seconds, 180 + 120);
  EXPECT_EQ(account.effective, 75 + 100);
  ASSERT_THAT(account.lost[0], Pair("after the last save, and until the next start", 60));
  EXPECT_THAT(account.lost[1], Pair("steps that were undone", 25 + 2 + 2));
  EXPECT_EQ(account.units, 175'000);
  EXPECT_EQ(account.rollbacks, 2);
  EXPECT_EQ(account.skipped_steps, 2);
}

TEST(RunAccount, CountsAStartThatEndedBeforeItsFirstSave) {
  auto killed = start(0, 0);
  killed.erase("progress");
  const auto account = account_of({{"starts", {killed, start(3, 0)}}}).value();
  EXPECT_EQ(account.seconds, 180 + 120);
  EXPECT_EQ(account.effective, 100);
  EXPECT_THAT(account.lost[0], Pair("after the last save, and until the next start", 180));
}

TEST(RunAccount, ComputesMoneyAndFlops) {
  auto priced = start(0, 0);
  priced["cost"] = {{"usd_per_rank_hour", 3}, {"usd_per_host_hour", 9}};
  priced["cost"]["peak_tflops_per_rank"] = 2e-6;
  priced["memory"] = {{"parameters", 1100}};
  priced["configuration"]["model"] = {{"layers", 2}, {"channels", 10}, {"context", 10}};
  const auto account = account_of({{"starts", {priced}}}).value();
  EXPECT_DOUBLE_EQ(account.usd.value(), 30.0 * 120 / 3600);
  // 6 * (1,100 - 100) + 12 * 2 * 10 * 10 = 8,400 per token; 1,000 tokens/s on four ranks.
  EXPECT_DOUBLE_EQ(account.model_flops.value(), 8400.0 * 1000 / 4);
  EXPECT_EQ(account_of({{"starts", {start(0, 0), priced}}}).value().usd, std::nullopt);
  const std::string figures = account_figures(account);
  EXPECT_THAT(figures, HasSubstr("<h3>Tokens per USD</h3><b>100,000</b><small>1.00 USD spent"));
  EXPECT_THAT(figures, HasSubstr("<h3>Model FLOP utilization</h3><b>105.0 %</b>"));
  EXPECT_THAT(figures, HasSubstr("<h3>Effective training time</h3><b>83.3 %</b>"));
}

TEST(RunAccount, IsUnknownForOlderRunsAndIgnoresDamage) {
  EXPECT_FALSE(account_of(nlohmann::json::object()));
  EXPECT_FALSE(account_of({{"starts", {{{"started_at", "2026-01-02T03:04:05Z"}}}}}));
  EXPECT_FALSE(account_of({{"starts", {7, nullptr, {{"started_at", 7}}}}}));
  auto damaged = start(0, 0);
  damaged["progress"]["seconds"] = {{"total", "x"}, {"forward", -5}};
  damaged["progress"]["step"] = "many";
  damaged["hosts"] = damaged["configuration"] = 7;
  EXPECT_EQ(account_of({{"starts", {damaged}}}).value().effective, 0);
}

TEST(RunAccount, IsPartOfTheReport) {
  const auto account = account_of({{"starts", {start(0, 0), start(3, 75)}}}).value();
  EXPECT_THAT(account_figures(account), HasSubstr("1 restart, 2 rollbacks, 2 skipped steps"));
  EXPECT_THAT(account_figures(account), Not(HasSubstr("USD")));
  EXPECT_THAT(account_section(account),
              HasSubstr("<tr><th>after the last save, and until the next start</th>"
                        "<td>1 min 0 s</td><td>20.0 %</td></tr>"));
}

}  // namespace
}  // namespace ripieno::io
