#include "ripieno/tools/numbers.h"

#include <gtest/gtest.h>

#include "ripieno/training/session/exit_status.h"

namespace ripieno::tools {
namespace {

TEST(Numbers, AreParsedExactlyOrRejected) {
  EXPECT_EQ(whole_number("--n", "9223372036854775807", 1), INT64_MAX);
  for (const char* text :
       {"9223372036854775808", "18446744073709551615", "0", "1.0", "1e3", " 1", "1 ", ""})
    EXPECT_THROW(whole_number("--n", text, 1), UsageError) << text;
  EXPECT_EQ(finite_number("--x", "1e-3", 0), 1e-3);
  for (const char* text : {"nan", "inf", "1e999", "-1", "0x1", "1,5", ""})
    EXPECT_THROW(finite_number("--x", text, 0), UsageError) << text;
}

}  // namespace
}  // namespace ripieno::tools
