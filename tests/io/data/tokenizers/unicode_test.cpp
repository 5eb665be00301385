#include "ripieno/io/data/tokenizers/unicode.h"

#include <gtest/gtest.h>

namespace ripieno::io::unicode {
namespace {

Character first(std::string_view text) {
  return character_at(text.data(), text.data() + text.size());
}

TEST(Unicode, KnowsTheClassesOfVersion16) {
  EXPECT_EQ(class_of(U'A'), kUpper);
  EXPECT_EQ(class_of(U'ß'), kLower);
  EXPECT_EQ(class_of(U'ǅ'), kUpper);
  EXPECT_EQ(class_of(U'中'), kUncased);
  EXPECT_EQ(class_of(U'٣'), kNumber);
  EXPECT_EQ(class_of(U'\u0301'), kMark | kUnstable);
  EXPECT_EQ(class_of(U'\u00a0'), kSpace);
  EXPECT_EQ(class_of(U'\n'), kSpace | kLineEnd);
  EXPECT_EQ(class_of(U'!'), 0);
  EXPECT_EQ(class_of(U'\u1c89'), kUpper);  // a Cyrillic capital of Unicode 16
  EXPECT_EQ(class_of(U'\U0010ffff'), 0);
}

TEST(Unicode, TakesEachInvalidByteAlone) {
  for (const char* text : {"\x80", "\xc0\x80", "\xc3", "\xe0\x80\x80", "\xed\xa0\x80", "\xe4\xb8",
                           "\xf4\x90\x80\x80", "\xf0\x80\x80\x80", "\xff", "\xf5\x80\x80\x80"}) {
    const Character character = first(text);
    EXPECT_FALSE(character.is_valid) << text;
    EXPECT_EQ(character.bytes, 1);
    EXPECT_EQ(character.classes, 0);
  }
}

TEST(Unicode, FindsTheCharacterBeforeAPosition) {
  const std::string_view text = "aé中🙂\x80";
  const char* begin = text.data();
  EXPECT_EQ(character_before(begin, begin + 1).code, U'a');
  EXPECT_EQ(character_before(begin, begin + 3).code, U'é');
  EXPECT_EQ(character_before(begin, begin + 6).code, U'中');
  EXPECT_EQ(character_before(begin, begin + 10).code, U'🙂');
  EXPECT_FALSE(character_before(begin, begin + 11).is_valid);
}

TEST(Unicode, NormalizesToFormC) {
  EXPECT_EQ(to_nfc("cafe\u0301"), "caf\u00e9");
  EXPECT_EQ(to_nfc("\u212b"), "\u00c5");              // a singleton
  EXPECT_EQ(to_nfc("\u1100\u1161\u11a8"), "\uac01");  // Hangul
  EXPECT_EQ(to_nfc("\uac00\u11a8"), "\uac01");
  EXPECT_EQ(to_nfc("a\u0301\u0323"), "\u1ea1\u0301");             // reordered
  EXPECT_EQ(to_nfc("\u0958"), "\u0915\u093c");                    // never composed
  EXPECT_EQ(to_nfc("\u0061\u0305\u0301"), "\u0061\u0305\u0301");  // blocked
  EXPECT_EQ(to_nfc("x\u0301\x80\u0301y"), "x\u0301\x80\u0301y");  // an invalid byte stays
}

TEST(Unicode, LeavesNormalizedTextAlone) {
  EXPECT_FALSE(may_need_nfc("Käse, 中文, \u0416, 한국어 🙂 \xff"));
  EXPECT_TRUE(may_need_nfc("e\u0301"));
}

}  // namespace
}  // namespace ripieno::io::unicode
