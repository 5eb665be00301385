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
  EXPECT_EQ(finite_number("--x", "0.5", 0.5, 2), 0.5);
  for (const char* text : {"0.4", "2.1", "1e300"})
    EXPECT_THROW(finite_number("--x", text, 0.5, 2), UsageError) << text;
}

TEST(Numbers, ThatAreRefusedAreShownWithTheirLimits) {
  const auto message_of = [](const auto& parse) -> std::string {
    try {
      parse();
    } catch (const UsageError& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(message_of([] { whole_number("--n", "0", 1, 4096); }),
            "--n 0: must be an integer from 1 to 4096");
  EXPECT_EQ(message_of([] { whole_number("--n", "", 1, 4096); }),
            "--n \"\": must be an integer from 1 to 4096");
  EXPECT_EQ(message_of([] { finite_number("--x", "9", 0.5, 2); }),
            "--x 9: must be a finite number from 0.5 to 2");
}

}  // namespace
}  // namespace ripieno::tools
