#include "ripieno/tools/watch/view.h"

#include <gmock/gmock.h>

#include <cmath>
#include <set>
#include <sstream>
#include <string>

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

std::set<std::string> words_of(const std::string& text) {
  std::istringstream stream(text);
  std::set<std::string> words;
  for (std::string word; stream >> word;)
    words.insert(word.ends_with(',') ? word.substr(0, word.size() - 1) : word);
  return words;
}

// Part of a number would look like another one.
TEST(View, ShowsNumbersWholeOrNotAtAll) {
  Snapshot shown = snapshot();
  shown.measured.newest.set({io::metric::kGradientNorm, 0.9123});
  shown.measured.newest.set({io::metric::kLearningRate, 0.000321});
  shown.measured.newest.set({io::metric::kTokensPerSecond, 5242880.0});
  shown.measured.seconds = {0.125};
  shown.checkpoints = {.count = 12, .newest = 1000};
  for (auto& rank : shown.ranks) rank.resident_bytes = 3'060'000'000;
  const auto whole = words_of(drawn(shown, 24, 200));
  for (int columns = 1; columns < 140; ++columns) {
    std::istringstream rows(drawn(shown, 8, columns));
    for (std::string row; std::getline(rows, row);) {
      for (const auto& word : words_of(row)) {
        const bool has_number = word.find_first_of("0123456789") != word.npos;
        EXPECT_TRUE(!has_number || whole.contains(word))
            << word << " in " << columns << " columns: " << row;
      }
    }
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
    shown.measured.newest.set({io::metric::kLoss, loss});
    shown.measured.newest.set({io::metric::kTokensPerSecond, std::abs(loss)});
    shown.seconds_left = std::abs(loss);
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
