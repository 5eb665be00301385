#include "ripieno/training/settings/exact_number.h"

#include <gtest/gtest.h>

namespace ripieno {
namespace {

TEST(WholeNumber, IsExactOrRejected) {
  const auto check = whole_number(1);
  for (const char* word : {"1", "7", "9223372036854775807"}) EXPECT_EQ(check(word), "") << word;
  for (const char* word : {"0", "-1", "9223372036854775808", "18446744073709551615", "1e3", "1.0",
                           "0x10", " 1", "1 ", "", "nan", "+1"}) {
    EXPECT_NE(check(word), "") << word;
    EXPECT_LT(check(word).size(), 120u);
  }
}

TEST(FiniteNumber, IsExactOrRejected) {
  const auto check = finite_number(0);
  for (const char* word : {"0", "0.8", "1e-3", "5"}) EXPECT_EQ(check(word), "") << word;
  for (const char* word : {"nan", "inf", "-inf", "-0.1", "1e999", "0,8", "", "1x"})
    EXPECT_NE(check(word), "") << word;
}

}  // namespace
}  // namespace ripieno
