// Replays the seeds of the fuzzers and their earlier findings, in every build.
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
  // The contents of the files in the folder `kind`/<parser>; none if it does not exist.
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

// Rejected seeds would not lead the fuzzer to the code that accepted files reach.
TEST_P(EveryInput, OfTheSeedsIsParsed) {
  int accepted = 0;
  for (const std::string& seed : inputs("corpus")) accepted += parse(seed);
  EXPECT_GE(accepted, 2);
}

TEST_P(EveryInput, ThatFailedBeforeIsParsedOrRejected) {
  for (const std::string& found : inputs("found")) parse(found);
}

TEST_P(EveryInput, WithAnyByteChangedInOneBitIsParsedOrRejected) {
  for (std::string seed : inputs("corpus")) {
    for (std::size_t i = 0; i < seed.size(); ++i) {
      const char flipped = static_cast<char>(1 << i % 8);
      seed[i] ^= flipped;
      parse(seed);
      seed[i] ^= flipped;
    }
  }
}

TEST_P(EveryInput, TruncatedAnywhereIsParsedOrRejected) {
  for (const std::string& seed : inputs("corpus")) {
    for (std::size_t size = 0; size < seed.size(); ++size)
      parse(std::string_view(seed).substr(0, size));
  }
}

INSTANTIATE_TEST_SUITE_P(, EveryInput, testing::ValuesIn(kParsers),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(Promise, ThrowsIfViolated) { EXPECT_THROW(require(false, "a property"), std::logic_error); }

}  // namespace
}  // namespace ripieno::fuzz
