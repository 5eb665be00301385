#include "ripieno/tools/watch/rank_states.h"

#include <gmock/gmock.h>

#include "ripieno/tools/watch/rank_rows.h"

namespace ripieno::tools::watch {
namespace {

constexpr int64_t kUnix = 2'000'000'000'000'000'000, kSecond = 1'000'000'000;

io::FlightRecord head(int rank, uint64_t beats, double seconds = 0) {
  io::FlightRecord head;
  head.start = 7;
  head.rank = rank;
  head.size = 4;
  head.host = rank < 2 ? "a" : "b";
  head.process = 1;
  head.seconds = {0, seconds, 0, seconds, 0, 0, 0, 0};
  head.heartbeat = {.count = beats, .unix_time = kUnix};
  return head;
}

std::vector<io::FlightRecord> heads(uint64_t beats) {
  return {head(0, beats), head(1, beats), head(2, beats), head(3, beats)};
}

TEST(RankStates, FindARankWhoseHeartbeatsEnded) {
  RankStates ranks;
  ranks.update(heads(1), kUnix, 100);
  auto later = heads(16);
  later[2] = head(2, 1);
  ranks.update(later, kUnix + 16 * kSecond, 116);
  EXPECT_EQ(ranks.states()[1].life, RankState::Life::running);
  EXPECT_EQ(ranks.states()[2].life, RankState::Life::behind);
  EXPECT_EQ(note_of(ranks.states()[2]), "behind 16 s: no heartbeat");
}

TEST(RankStates, CountHeartbeatsIfClocksAreSetBack) {
  RankStates ranks;
  ranks.update(heads(1), kUnix - 3600 * kSecond, 100);
  ranks.update(heads(2), kUnix + 3600 * kSecond, 116);
  for (const auto& state : ranks.states()) EXPECT_EQ(state.life, RankState::Life::running);
}

TEST(RankStates, ForgetRanksOfAnEarlierStart) {
  RankStates ranks;
  auto records = heads(1);
  records[3].start = 6;
  records[3].started_unix = -1;
  ranks.update(records, kUnix, 100);
  EXPECT_EQ(ranks.states().size(), 3u);
  EXPECT_EQ(ranks.size(), 4);
}

TEST(RankStates, ShowTheTimeOfTheLastHalfMinute) {
  RankStates ranks;
  for (int second = 0; second <= 100; ++second)
    ranks.update({head(0, static_cast<uint64_t>(second), second)}, kUnix, second);
  EXPECT_EQ(ranks.states()[0].phases[1], 30);
}

RankState running(int rank, const std::string& host) { return {.rank = rank, .host = host}; }

std::vector<RankState> many(int ranks, int hosts) {
  std::vector<RankState> states;
  for (int rank = 0; rank < ranks; ++rank)
    states.push_back(running(rank, "h" + std::to_string(rank * hosts / ranks)));
  return states;
}

TEST(RankRows, ShowEachRankIfThereIsRoom) { EXPECT_EQ(rank_rows(many(4, 1), 4).size(), 4u); }

TEST(RankRows, PutRemarkableRanksFirst) {
  auto ranks = many(64, 64);
  ranks[40].slowness = 2;
  ranks[50].life = RankState::Life::behind;
  const auto rows = rank_rows(ranks, 5);
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0].label, "50");
  EXPECT_EQ(rows[1].label, "40");
  EXPECT_EQ(rows[2].label, "62 others");
}

TEST(RankRows, ShowHostsIfThereIsRoom) {
  const auto rows = rank_rows(many(64, 4), 5);
  ASSERT_EQ(rows.size(), 4u);
  EXPECT_EQ(rows[3].label, "16 ranks");
  EXPECT_EQ(rows[3].host, "h3");
}

TEST(RankRows, NeverAreMoreThanAskedFor) {
  for (std::size_t most = 1; most < 12; ++most) {
    for (int remarkable = 0; remarkable <= 64; ++remarkable) {
      auto ranks = many(64, 3);
      for (int i = 0; i < remarkable; ++i) ranks[i].life = RankState::Life::gone;
      const auto rows = rank_rows(ranks, most);
      EXPECT_LE(rows.size(), most);
      std::size_t shown = 0;
      for (const auto& row : rows) shown += row.ranks.size();
      EXPECT_TRUE(most == 1 || shown == 64) << most << " rows, " << remarkable << " remarkable";
    }
  }
}

}  // namespace
}  // namespace ripieno::tools::watch
