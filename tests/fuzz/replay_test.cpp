// The seeds of the fuzzers, and whatever they once found, in every build.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "fuzz/parsers.h"

namespace ripieno::fuzz {
namespace {

class EveryInput : public testing::TestWithParam<Parser> {
 protected:
  // Those of the folder `kind`/<parser>; the number that was accepted.
  int parse_all(const std::string& kind) const {
    int accepted = 0;
    const std::filesystem::path folder =
        std::string(FUZZ_FOLDER) + "/" + kind + "/" + GetParam().name;
    if (!std::filesystem::exists(folder)) return 0;
    for (const auto& file : std::filesystem::directory_iterator(folder)) {
      SCOPED_TRACE(file.path().string());
      std::ifstream stream(file.path(), std::ios::binary);
      const std::string bytes{std::istreambuf_iterator<char>(stream), {}};
      EXPECT_NO_THROW(accepted += GetParam().parse(bytes));
    }
    return accepted;
  }
};

// A seed that is refused would teach a fuzzer nothing about what lies behind.
TEST_P(EveryInput, OfTheSeedsIsParsed) { EXPECT_GE(parse_all("corpus"), 2); }

TEST_P(EveryInput, ThatWasFoundOnceIsParsedOrRefused) { parse_all("found"); }

INSTANTIATE_TEST_SUITE_P(, EveryInput, testing::ValuesIn(kParsers),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(Promise, ThatIsNotKeptIsAFinding) {
  EXPECT_THROW(require(false, "a promise"), std::logic_error);
}

}  // namespace
}  // namespace ripieno::fuzz
