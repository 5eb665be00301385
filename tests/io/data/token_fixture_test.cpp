// Token files written by earlier versions (tests/fixtures) can still be read, and the same bytes
// are still written.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "ripieno/io/data/token_data.h"
#include "ripieno/io/files/file_system.h"

namespace ripieno::io {
namespace {

const std::string kFixtures = FIXTURES_FOLDER;

std::vector<int32_t> tokens_of(const TokenData& data) {
  std::vector<int32_t> tokens(static_cast<std::size_t>(data.size()));
  data.copy(0, tokens);
  return tokens;
}

// Checks that the file has these tokens, and that saving them again writes the same bytes.
void expect_file_of(const std::string& name, const TokenData& data) {
  const TokenData kept = TokenData::open(kFixtures + "/" + name);
  EXPECT_EQ(tokens_of(kept), tokens_of(data)) << name;
  EXPECT_EQ(kept.fingerprint(), data.fingerprint()) << name;
  const std::string again =
      std::filesystem::temp_directory_path() / ("ripieno_" + std::to_string(getpid()) + name);
  data.save(local_files(), again);
  EXPECT_EQ(read_file(local_files(), again), read_file(local_files(), kFixtures + "/" + name));
  std::filesystem::remove(again);
}

TEST(TokenFixture, TextsAreEncodedAsBefore) {
  const std::string text = kFixtures + "/text.txt";
  expect_file_of("bytes.tokens", TokenData::load(text, {.tokenizer = Tokenizer::Kind::bytes}));
  expect_file_of("characters.tokens", TokenData::load(text));
}

TEST(TokenFixture, ExternalTokensAreReadAsBefore) {
  std::vector<int32_t> squares(2000), wide(1000);
  for (int i = 0; i < 2000; ++i) squares[static_cast<std::size_t>(i)] = i * i % 37;
  for (int i = 0; i < 1000; ++i) wide[static_cast<std::size_t>(i)] = i * 97;
  expect_file_of("external.tokens", TokenData::of(squares, Tokenizer::external("squares", 40)));
  expect_file_of("wide.tokens", TokenData::of(wide, Tokenizer::external("wide", 100'000)));
}

}  // namespace
}  // namespace ripieno::io
