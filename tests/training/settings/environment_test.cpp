#include "ripieno/training/settings/environment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "ripieno/core/error.h"

namespace ripieno {
namespace {

using testing::HasSubstr;

TEST(Environment, SwitchesAreZeroOrOne) {
  for (const char* const value : {"0", "1", ""}) {
    setenv("RIPIENO_USE_CUDNN", value, 1);
    EXPECT_NO_THROW(check_environment()) << value;
  }
  setenv("RIPIENO_USE_CUDNN", "off", 1);
  EXPECT_THAT(check_environment, testing::ThrowsMessage<ConfigurationError>(
                                     "RIPIENO_USE_CUDNN must be 0 or 1, got \"off\""));
  unsetenv("RIPIENO_USE_CUDNN");
}

TEST(Environment, NumbersArePositive) {
  setenv(kUsdPerRankHour, "2.5", 1);
  EXPECT_NO_THROW(check_environment());
  EXPECT_EQ(positive_number_of_environment(kUsdPerRankHour), 2.5);
  for (const char* const value : {"2.5 USD", "-1", "0", "nan", "inf", "1e999"}) {
    setenv(kUsdPerRankHour, value, 1);
    EXPECT_THROW(check_environment(), ConfigurationError) << value;
  }
  setenv(kUsdPerRankHour, "", 1);
  EXPECT_NO_THROW(check_environment());
  EXPECT_EQ(positive_number_of_environment(kUsdPerRankHour), std::nullopt);
  unsetenv(kUsdPerRankHour);
}

TEST(Environment, OtherVariablesMayHaveAnyValue) {
  setenv("RIPIENO_CACHE_DIR", "/somewhere", 1);
  EXPECT_NO_THROW(check_environment());
  unsetenv("RIPIENO_CACHE_DIR");
}

TEST(Environment, IsListedWithTheSwitchesForABadDay) {
  const std::string listing = environment_listing(80);
  EXPECT_THAT(listing, HasSubstr("RIPIENO_USE_CUDNN=0|1"));
  EXPECT_THAT(listing, HasSubstr("RIPIENO_MATMUL_MEASURE=0|1"));
  EXPECT_THAT(listing, HasSubstr("RIPIENO_CPU_BFLOAT16=0|1"));
}

}  // namespace
}  // namespace ripieno
