#include "ripieno/core/error.h"

#include <gtest/gtest.h>

namespace ripieno {
namespace {

template <typename Action>
SourceLocation location_of(const Action& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.where();
  }
  return {};
}

TEST(Error, HasTheLineThatThrewIt) {
  const uint_least32_t line = __LINE__ + 1;
  const SourceLocation of_error = location_of([] { throw DataError("a"); });
  EXPECT_EQ(of_error.line(), line);
  EXPECT_STREQ(of_error.file_name(), __FILE__);
  EXPECT_STREQ(of_error.function_name(), "operator()");
}

TEST(Error, HasTheLineThatCalledFail) {
  const uint_least32_t line = __LINE__ + 1;
  const SourceLocation of_fail = location_of([] { fail("b"); });
  EXPECT_EQ(of_fail.line(), line);
  EXPECT_STREQ(of_fail.file_name(), __FILE__);
}

}  // namespace
}  // namespace ripieno
