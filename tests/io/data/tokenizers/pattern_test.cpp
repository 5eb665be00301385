#include "ripieno/io/data/tokenizers/pattern.h"

#include <gmock/gmock.h>

#include <vector>

#include "ripieno/core/error.h"

namespace ripieno::io {
namespace {

using testing::ElementsAre;

std::vector<std::string> pieces(const char* pattern, std::string_view text) {
  PieceScanner scanner(pattern_named(pattern), text);
  std::vector<std::size_t> lengths(2);  // a few at a time
  std::vector<std::string> found;
  while (const std::size_t count = scanner.next(lengths)) {
    for (std::size_t i = 0; i < count; ++i) {
      found.emplace_back(text.substr(0, lengths[i]));
      text.remove_prefix(lengths[i]);
    }
  }
  EXPECT_EQ(text, "");
  return found;
}

TEST(Pattern, OfGpt2TakesASpaceAlong) {
  EXPECT_THAT(pieces("gpt2", "It's  12 o'clock!?\n\n x"),
              ElementsAre("It", "'s", " ", " 12", " o", "'", "clock", "!?", "\n\n", " x"));
}

TEST(Pattern, OfLlama3TakesThreeDigitsAndAnyPrefix) {
  EXPECT_THAT(pieces("llama3", "(It'S 12345.\n\n x"),
              ElementsAre("(It", "'S", " ", "123", "45", ".\n\n", " x"));
}

TEST(Pattern, OfQwenTakesOneDigit) {
  EXPECT_THAT(pieces("qwen2", "x12"), ElementsAre("x", "1", "2"));
}

TEST(Pattern, OfQwen35TakesMarksIntoAWord) {
  EXPECT_THAT(pieces("qwen2", "कि"), ElementsAre("क", "ि"));
  EXPECT_THAT(pieces("qwen3.5", "कि"), ElementsAre("कि"));
}

TEST(Pattern, OfO200kSplitsByCase) {
  EXPECT_THAT(pieces("o200k", "HelloWorld's HTTPServer 中A//\n"),
              ElementsAre("Hello", "World's", " HTTPServer", " 中", "A", "//\n"));
}

TEST(Pattern, OfCl100kKeepsWhiteSpaceAtTheEnd) {
  EXPECT_THAT(pieces("cl100k", "a\n  "), ElementsAre("a", "\n  "));
  EXPECT_THAT(pieces("llama3", "a\n  "), ElementsAre("a", "\n", "  "));
  EXPECT_THAT(pieces("cl100k", "a\n  b"), ElementsAre("a", "\n", " ", " b"));
}

TEST(Pattern, IsFoundByItsExpression) {
  for (const char* name : {"gpt2", "cl100k", "llama3", "qwen2", "qwen3.5", "o200k"}) {
    const Pattern& pattern = pattern_named(name);
    EXPECT_EQ(pattern_of_expression(expression_of(pattern)), &pattern);
  }
  EXPECT_EQ(pattern_of_expression(R"(\w+)"), nullptr);
  EXPECT_THROW(pattern_named("gpt3"), DataError);
}

TEST(LastCut, IsWhereAWordOrNumberEnds) {
  const auto cut = [](std::string_view text) { return last_cut(text, 0, text.size()); };
  EXPECT_EQ(cut("one two"), 3u);
  EXPECT_EQ(cut("x12,"), 3u);
  EXPECT_EQ(cut("中文。"), 6u);
  EXPECT_EQ(cut("don't"), std::nullopt);
  EXPECT_EQ(cut("!!!\n\n"), std::nullopt);
  EXPECT_EQ(last_cut("one two", 3, 7), std::nullopt);
  EXPECT_EQ(last_cut("a b c", 0, 2), 1u);
}

}  // namespace
}  // namespace ripieno::io
