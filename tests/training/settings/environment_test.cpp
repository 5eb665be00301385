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

TEST(Environment, OtherVariablesMayHaveAnyValue) {
  setenv("RIPIENO_CACHE_DIR", "/somewhere", 1);
  EXPECT_NO_THROW(check_environment());
  unsetenv("RIPIENO_CACHE_DIR");
}

TEST(Environment, IsListedWithTheSwitchesForABadDay) {
  const std::string listing = environment_listing(80);
  EXPECT_THAT(listing, HasSubstr("RIPIENO_USE_CUDNN=0|1"));
  EXPECT_THAT(listing, HasSubstr("RIPIENO_MATMUL_MEASURE=0|1"));
}

}  // namespace
}  // namespace ripieno
