#include "ripieno/core/arena/name_pattern.h"

#include <gtest/gtest.h>

namespace ripieno {
namespace {

TEST(NamePattern, StarMatchesAnyCharacters) {
  EXPECT_TRUE(matches("*", ""));
  EXPECT_TRUE(matches("blocks.*.bias", "blocks.0.up.bias"));
  EXPECT_TRUE(matches("*.bias", "a.bias.b.bias"));
  EXPECT_TRUE(matches("a*b*c", "aXbYbZc"));
  EXPECT_FALSE(matches("blocks.*.bias", "blocks.0.up.weight"));
  EXPECT_FALSE(matches("encoder.*", "decoder.encoder.x"));
}

TEST(NamePattern, QuestionMarkMatchesOneCharacter) {
  EXPECT_TRUE(matches("blocks.?.up", "blocks.7.up"));
  EXPECT_FALSE(matches("blocks.?.up", "blocks.17.up"));
  EXPECT_FALSE(matches("a?", "a"));
}

TEST(NamePattern, WithoutWildcardsMatchesTheExactName) {
  EXPECT_TRUE(matches("norm.weight", "norm.weight"));
  EXPECT_FALSE(matches("norm.weight", "norm.weight2"));
  EXPECT_FALSE(matches("", "norm"));
}

}  // namespace
}  // namespace ripieno
