#include "ripieno/tools/watch/view.h"

#include <gmock/gmock.h>

#include <cmath>

namespace ripieno::tools::watch {
namespace {

using testing::HasSubstr;

Snapshot snapshot() {
  Snapshot snapshot{.name = "gpt",
                    .state = Snapshot::State::running,
                    .step = 1200,
                    .steps = 5000,
                    .size = 2,
                    .code = "R-SLOW-01",
                    .diagnosis = "rank 1 takes longer"};
  for (int64_t step = 1; step <= 1200; ++step)
    snapshot.measured.loss.add(step, 2 + std::exp(-static_cast<double>(step) / 300));
  snapshot.measured.newest.set({io::metric::kLoss, 2.125});
  snapshot.ranks = {{.rank = 0, .host = "a", .phases = {1, 2, 3, 4, 0, 0, 0, 0}},
                    {.rank = 1, .host = "a", .phases = {1, 2, 3, 4, 0, 0, 0, 0}}};
  return snapshot;
}

std::string drawn(const Snapshot& shown, int rows, int columns) {
  Screen screen(/*utf8=*/true, /*colors=*/true);
  screen.resize(rows, columns);
  draw(screen, shown, {});
  return screen.text();
}

TEST(View, ShowsEverythingOnASmallTerminal) {
  const std::string text = drawn(snapshot(), 24, 80);
  for (const char* part : {"gpt  running", "step 1,200/5,000", "loss 2.1250", "2 ranks on 1 host",
                           "R-SLOW-01: rank 1 takes longer", "no checkpoint", "q quit"})
    EXPECT_THAT(text, HasSubstr(part));
  EXPECT_THAT(text, HasSubstr("dddd"));
  EXPECT_THAT(text, HasSubstr("cccccccc"));
}

TEST(View, FitsTerminalsOfAnySize) {
  Snapshot shown = snapshot();
  for (int rank = 2; rank < 200; ++rank) shown.ranks.push_back({.rank = rank, .host = "b"});
  for (int rows = 1; rows < 40; ++rows) {
    for (int columns = 1; columns < 140; columns += 7) drawn(shown, rows, columns);
  }
}

TEST(View, IsDrawnOfARunThatHasNothingYet) {
  const std::string text = drawn(Snapshot{.name = "new"}, 24, 80);
  EXPECT_THAT(text, HasSubstr("no records of ranks"));
  EXPECT_THAT(text, HasSubstr("No step has been logged yet."));
}

TEST(View, IsDrawnOfAnyLoss) {
  for (const double loss : {0.0, -1e308, 1e308, 1e-300}) {
    Snapshot shown = snapshot();
    shown.measured.loss.add(1201, loss);
    EXPECT_THAT(drawn(shown, 24, 80), HasSubstr("step 1,200"));
  }
}

TEST(View, AsALineNamesTheRanksThatAreBehind) {
  Snapshot shown = snapshot();
  shown.ranks[1].life = RankState::Life::behind;
  EXPECT_THAT(line_of(shown), testing::EndsWith("behind: 1  R-SLOW-01"));
}

}  // namespace
}  // namespace ripieno::tools::watch
