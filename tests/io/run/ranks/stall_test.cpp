#include "ripieno/io/run/ranks/stall.h"

#include <gmock/gmock.h>

namespace ripieno::io {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

constexpr int64_t kSecond = 1'000'000'000;

FlightEvent sum(uint64_t sequence, int64_t start = 0, uint64_t digest = 5) {
  return {.is_collective = true,
          .name = "all_reduce",
          .start = start,
          .bytes = 40,
          .digest = digest,
          .element_type = "float32",
          .group = 1,
          .group_sequence = sequence,
          .bucket = 4,
          .parameters = "blocks.7.up.weight"};
}

FlightRecord rank_in(int rank, const std::vector<FlightEvent>& open, uint64_t begun) {
  FlightRecord record;
  record.rank = rank;
  record.host = "h" + std::to_string(rank);
  record.process = 4711 + rank;
  record.activity = "step";
  record.heartbeat.unix_time = record.heartbeat.monotonic_time = 1000 * kSecond;
  record.threads.push_back({.id = 4711 + rank, .open = open});
  record.groups.push_back({.id = 1, .begun = begun});
  return record;
}

FlightEvent phase(const std::string& name, int64_t start) {
  FlightEvent event;
  event.name = name;
  event.start = start;
  return event;
}

std::string text_of(const std::vector<FlightRecord>& records) {
  return to_string(find_stall(records), records, 1000 * kSecond);
}

TEST(FindStall, NamesTheRankThatHasNotBegunTheCollective) {
  const std::vector<FlightRecord> records = {
      rank_in(0, {phase("communication", 0), sum(1842)}, 1842),
      rank_in(1, {phase("data", 688 * kSecond)}, 1841), rank_in(2, {sum(1842)}, 1842),
      rank_in(3, {sum(1842)}, 1842)};
  const auto stall = find_stall(records);
  EXPECT_EQ(stall.kind, Stall::Kind::behind);
  EXPECT_THAT(stall.suspects, ElementsAre(1));
  EXPECT_THAT(stall.waiting, ElementsAre(0, 2, 3));
  EXPECT_EQ(text_of(records),
            "rank 1 on h1 (process 4712) has been in step > data for 312 s; ranks 0, 2, 3 wait for "
            "it in all_reduce 1842 (bucket 4: blocks.7.up.weight)");
}

TEST(FindStall, TakesTheCollectiveOfAThreadThatWorksForTheOneThatTrains) {
  auto waits = rank_in(0, {phase("communication", 0)}, 8);
  waits.threads.push_back({.id = 9999, .open = {phase("sum of a bucket", 0), sum(8)}});
  const std::vector<FlightRecord> records = {waits, rank_in(1, {phase("forward", 0)}, 7)};
  EXPECT_THAT(find_stall(records).suspects, ElementsAre(1));
}

TEST(FindStall, NamesARankThatHasNoHeartbeatAnymore) {
  auto stopped = rank_in(1, {}, 7);
  stopped.heartbeat.unix_time = 960 * kSecond;
  EXPECT_THAT(text_of({rank_in(0, {sum(8)}, 8), stopped}),
              StartsWith("rank 1 on h1 (process 4712) has written no heartbeat for 40 s, last in "
                         "step; rank 0 waits for it"));
}

TEST(FindStall, NamesTheRankThatCallsAnotherCollectiveAlsoIfItCallsFirst) {
  auto other = sum(8, 0, /*digest=*/6);
  other.bytes = 80;
  const auto same = sum(8, kSecond);
  const std::vector<FlightRecord> records = {rank_in(0, {same}, 8), rank_in(1, {same}, 8),
                                             rank_in(2, {other}, 8)};
  const auto stall = find_stall(records);
  EXPECT_EQ(stall.kind, Stall::Kind::mismatch);
  EXPECT_THAT(stall.suspects, ElementsAre(2));
  EXPECT_THAT(stall.waiting, ElementsAre(0, 1));
  EXPECT_THAT(text_of(records), HasSubstr("of 80 bytes of float32, ranks 0, 1 called"));
}

TEST(FindStall, SaysThatAllRanksAreInTheSameCollective) {
  const std::vector<FlightRecord> records = {rank_in(0, {sum(8)}, 8), rank_in(1, {sum(8)}, 8)};
  EXPECT_EQ(find_stall(records).kind, Stall::Kind::collective);
  EXPECT_EQ(text_of(records),
            "ranks 0, 1 wait in all_reduce 8 (bucket 4: blocks.7.up.weight), which does not "
            "complete");
}

TEST(FindStall, NamesTheRankWhosePartOfASaveDoesNotProceed) {
  auto waits = rank_in(0, {phase("save", 0), phase("wait for the running save", 0)}, 8);
  waits.threads.push_back(
      {.id = 9,
       .open = {phase("save of a checkpoint", 0), phase("wait for the shards of others", 0)}});
  auto saves = rank_in(1, {phase("save", 0), sum(9)}, 9);
  saves.threads.push_back({.id = 10,
                           .open = {phase("save of a checkpoint", 980 * kSecond),
                                    phase("write of a shard", 990 * kSecond)}});
  waits.activity = saves.activity = "save";
  EXPECT_THAT(find_stall({waits, saves}).suspects, ElementsAre(1));
  EXPECT_EQ(
      text_of({waits, saves}),
      "rank 1 on h1 (process 4712) has been in save > save of a checkpoint > write of a shard "
      "for 10 s; rank 0 waits for it in a save");
}

TEST(FindStall, FindsNothingIfNoRankWaits) {
  EXPECT_EQ(text_of({rank_in(0, {phase("forward", 0)}, 8), rank_in(1, {}, 8)}), "");
  EXPECT_EQ(text_of({}), "");
}

TEST(FindStall, NamesAtMostThreeRanks) {
  std::vector<FlightRecord> records = {rank_in(0, {sum(8)}, 8)};
  for (int rank = 1; rank < 9; ++rank) records.push_back(rank_in(rank, {phase("data", 0)}, 7));
  EXPECT_THAT(text_of(records), HasSubstr("; and 5 more; rank 0 waits for them"));
}

TEST(ListOf, WritesRangesOfRanks) {
  EXPECT_EQ(list_of({0, 1, 2, 4, 6, 7}), "0-2, 4, 6, 7");
  EXPECT_EQ(list_of({}), "");
}

}  // namespace
}  // namespace ripieno::io
