#include "ripieno/training/settings/help_text.h"

#include <gtest/gtest.h>

namespace ripieno {
namespace {

TEST(HelpText, IsBrokenAtSpacesAndIndented) {
  EXPECT_EQ(wrapped("one two three four", 9), "one two\nthree\nfour");
  EXPECT_EQ(wrapped("one two three", 11, 4), "    one two\n    three");
  EXPECT_EQ(wrapped("one two", 7), "one two");
  EXPECT_EQ(wrapped("", 7), "");
}

TEST(HelpText, KeepsLineBreaksAndLongWords) {
  EXPECT_EQ(wrapped("one\ntwo three", 20), "one\ntwo three");
  EXPECT_EQ(wrapped("a incomprehensible b", 5), "a\nincomprehensible\nb");
}

}  // namespace
}  // namespace ripieno
