// The seeds of the fuzzers, and whatever they once found, in every build.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "fuzz/parsers.h"

namespace ripieno::fuzz {
namespace {

class EveryInput : public testing::TestWithParam<Parser> {
 protected:
  // Of the folder `kind`/<parser>.
  static std::vector<std::string> inputs(const std::string& kind) {
    std::vector<std::string> inputs;
    const auto folder = std::filesystem::path(FUZZ_FOLDER) / kind / GetParam().name;
    if (!std::filesystem::exists(folder)) return inputs;
    for (const auto& file : std::filesystem::directory_iterator(folder)) {
      std::ifstream stream(file.path(), std::ios::binary);
      inputs.emplace_back(std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>());
    }
    return inputs;
  }
  static bool parse(std::string_view bytes) {
    bool accepted = false;
    EXPECT_NO_THROW(accepted = GetParam().parse(bytes)) << testing::PrintToString(bytes);
    return accepted;
  }
};

// A seed that is refused would teach a fuzzer nothing about what lies behind.
TEST_P(EveryInput, OfTheSeedsIsParsed) {
  int accepted = 0;
  for (const std::string& seed : inputs("corpus")) accepted += parse(seed);
  EXPECT_GE(accepted, 2);
}

TEST_P(EveryInput, ThatWasFoundOnceIsParsedOrRefused) {
  for (const std::string& found : inputs("found")) parse(found);
}

TEST_P(EveryInput, WithABitOfAnyByteFlippedIsParsedOrRefused) {
  for (std::string seed : inputs("corpus")) {
    for (std::size_t at = 0; at < seed.size(); ++at) {
      const char flipped = static_cast<char>(1 << at % 8);
      seed[at] ^= flipped;
      parse(seed);
      seed[at] ^= flipped;
    }
  }
}

TEST_P(EveryInput, CutOffAnywhereIsParsedOrRefused) {
  for (const std::string& seed : inputs("corpus")) {
    for (std::size_t size = 0; size < seed.size(); ++size)
      parse(std::string_view(seed).substr(0, size));
  }
}

INSTANTIATE_TEST_SUITE_P(, EveryInput, testing::ValuesIn(kParsers),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(Promise, ThatIsNotKeptIsAFinding) {
  EXPECT_THROW(require(false, "a promise"), std::logic_error);
}

}  // namespace
}  // namespace ripieno::fuzz
