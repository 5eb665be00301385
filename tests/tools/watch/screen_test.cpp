#include "ripieno/tools/watch/screen.h"

#include <gmock/gmock.h>

namespace ripieno::tools::watch {
namespace {

constexpr std::size_t kAll = 1 << 20;

TEST(Screen, SendsOnlyWhatChanged) {
  Screen screen(/*utf8=*/true, /*colors=*/false);
  screen.resize(24, 80);
  screen.put(3, 5, "step 10");
  screen.changes(kAll);
  EXPECT_EQ(screen.changes(kAll), "");
  screen.put(3, 5, "step 11");
  EXPECT_EQ(screen.changes(kAll), "\x1b[4;12H1");
}

TEST(Screen, SendsWhatABudgetLeavesOutWithTheNextChanges) {
  Screen screen(/*utf8=*/true, /*colors=*/false);
  screen.resize(4, 100);
  screen.changes(kAll);
  for (int row = 0; row < 4; ++row) screen.put(row, 0, std::string(100, 'a'));
  std::string all;
  for (int turn = 0; turn < 20; ++turn) {
    const std::string bytes = screen.changes(100);
    EXPECT_LE(bytes.size(), 110u);
    all += bytes;
  }
  EXPECT_EQ(std::count(all.begin(), all.end(), 'a'), 400);
}

TEST(Screen, ReplacesWhatIsNotOneColumnWide) {
  Screen screen(/*utf8=*/true, /*colors=*/false);
  screen.resize(1, 20);
  screen.put(0, 0, "é\xff\x1b\t漢–");
  EXPECT_EQ(screen.text(), "é????–\n");
}

TEST(Screen, ReplacesWhatIsNoCharacter) {
  Screen screen(/*utf8=*/true, /*colors=*/false);
  screen.resize(1, 20);
  // Above U+10FFFF, too long for an A, cut off, and one of four bytes.
  screen.put(0, 0, "\xf4\x90\x80\xc1|\xf7\xbf\xbf\xbf|\xf0\x80\x81\x81|\xf0\x9f\x98");
  EXPECT_EQ(screen.text(), "??|?|?|?\n");
}

TEST(Screen, CutsBetweenWords) {
  Screen screen(/*utf8=*/true, /*colors=*/false);
  screen.resize(3, 9);
  screen.put_words(0, 0, "step 1,234,567");
  screen.put_words(1, 0, "é 1234567");
  screen.put_words(2, 0, "1234567890");
  EXPECT_EQ(screen.text(), "step\né 1234567\n");
}

TEST(Screen, DrawsInAsciiWithoutUtf8) {
  Screen screen(/*utf8=*/false, /*colors=*/true);
  screen.resize(1, 20);
  screen.put(0, 0, "━─│└ é");
  EXPECT_EQ(screen.text(), "=-|+ ?\n");
}

TEST(Screen, CutsOffWhatDoesNotFit) {
  Screen screen(/*utf8=*/true, /*colors=*/true);
  screen.resize(2, 3);
  EXPECT_EQ(screen.put(0, 1, "abcdef"), 3);
  screen.put(7, 0, "x");
  screen.put(1, -1, "yz");
  EXPECT_EQ(screen.text(), " ab\nz\n");
}

}  // namespace
}  // namespace ripieno::tools::watch
