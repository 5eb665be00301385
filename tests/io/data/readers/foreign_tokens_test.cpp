// Token files of llm.c, nanoGPT and Megatron. tests/fixtures/tokens was written by
// write_foreign_tokens.py.
#include "ripieno/io/data/readers/foreign_tokens.h"

#include <gmock/gmock.h>

#include <chrono>
#include <cstring>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "io/files/temporary_directory.h"
#include "ripieno/core/error.h"
#include "ripieno/io/data/readers/data_file.h"
#include "ripieno/io/data/readers/megatron.h"
#include "ripieno/io/data/token_data.h"
#include "ripieno/io/files/file_system.h"

namespace ripieno::io {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const std::string kTokens = std::string(FIXTURES_FOLDER) + "/tokens/";
constexpr int64_t kGpt2 = 50'257;

std::vector<int32_t> all_of(const TokenData& data) {
  std::vector<int32_t> tokens(static_cast<std::size_t>(data.size()));
  data.copy(0, tokens);
  return tokens;
}

std::vector<int32_t> squares() {
  std::vector<int32_t> tokens(1'000);
  for (int32_t i = 0; i < 1'000; ++i) tokens[static_cast<std::size_t>(i)] = i * i % 50'257;
  return tokens;
}

std::string complaint(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(LlmcTokens, AreThoseThatWereWritten) {
  const auto data = TokenData::load(kTokens + "llmc_gpt2.bin");
  EXPECT_EQ(all_of(data), squares());
  EXPECT_EQ(data.format(), "llm.c tokens");
  EXPECT_EQ(data.tokenizer().vocabulary_size(), kGpt2);
  const auto wide = TokenData::load(kTokens + "llmc_llama3.bin");
  EXPECT_EQ(all_of(wide)[499], 499 * 977 % 128'256);
  EXPECT_EQ(wide.tokenizer().vocabulary_size(), 128'256);
}

TEST(NanogptTokens, MustBeNamedWithTheirVocabulary) {
  const std::string path = kTokens + "nanogpt.bin";
  EXPECT_THAT(complaint([&] { TokenData::load(path); }), HasSubstr("data.format, nanogpt"));
  EXPECT_THAT(complaint([&] { TokenData::load(path, {.format = DataFormat::nanogpt}); }),
              HasSubstr("set data.vocabulary_size"));
  EXPECT_EQ(
      all_of(TokenData::load(path, {.format = DataFormat::nanogpt, .vocabulary_size = kGpt2})),
      squares());
}

TEST(MegatronTokens, AreReadByAnyNameOfThePair) {
  for (const char* name : {"megatron", "megatron.bin", "megatron.idx", "megatron_int32"}) {
    const auto data = TokenData::load(kTokens + name, {.vocabulary_size = 13});
    EXPECT_THAT(all_of(data), ElementsAre(5, 6, 7, 8, 9, 10, 11, 12)) << name;
    EXPECT_EQ(data.format(), "Megatron tokens");
  }
  std::vector<int64_t> documents;
  visit_megatron_documents(kTokens + "megatron", [&](int64_t size) { documents.push_back(size); });
  EXPECT_THAT(documents, ElementsAre(4, 1, 3, 0));
}

// tests/fixtures/write_megatron.py used Megatron's own IndexedDatasetBuilder.
TEST(MegatronTokens, OfItsOwnWriterAreRead) {
  const auto data = TokenData::load(kTokens + "real_megatron", {.vocabulary_size = kGpt2});
  EXPECT_THAT(all_of(data),
              ElementsAre(7, 50'256, 0, 1, 2, 3, 4, 5, 6, 40'000, 40'001, 40'002, 40'003, 8));
  std::vector<int64_t> documents;
  visit_megatron_documents(kTokens + "real_megatron",
                           [&](int64_t size) { documents.push_back(size); });
  EXPECT_THAT(documents, ElementsAre(4, 4, 1, 5));
}

TEST(ForeignTokens, OutsideTheVocabularyAreRefusedWhenTheyAreRead) {
  const auto data = TokenData::load(kTokens + "megatron", {.vocabulary_size = 12});
  std::vector<int32_t> seven(7), eight(8);
  data.copy(0, seven);
  EXPECT_THAT(complaint([&] { data.copy(0, eight); }), HasSubstr("token 7 is 12, outside"));
}

TEST(ForeignTokens, OfSeveralFilesAreOneStream) {
  const auto data = TokenData::load(
      std::vector{kTokens + "megatron.bin", kTokens + "megatron_int32.bin", kTokens + "megatron"},
      {.vocabulary_size = 13});
  std::vector<int32_t> tokens(12);
  data.copy(6, tokens);
  EXPECT_THAT(tokens, ElementsAre(11, 12, 5, 6, 7, 8, 9, 10, 11, 12, 5, 6));
  EXPECT_EQ(data.size(), 24);
  const std::string pattern = kTokens + "megatron*";
  EXPECT_EQ(TokenData::load(pattern, {.vocabulary_size = 13}).size(), 16);
}

TEST(ForeignTokens, OfAFolderMustAllBeOfOneVocabulary) {
  const std::vector both{kTokens + "llmc_gpt2.bin", kTokens + "llmc_llama3.bin"};
  EXPECT_THAT(complaint([&] { TokenData::load(both); }), HasSubstr("different tokenizers"));
}

// A copy of a fixture in which single bytes are changed.
class DamagedTokens : public testing::Test {
 protected:
  std::string failure(const std::string& name, std::size_t at, const std::string& bytes) {
    std::string content = read_file(local_files(), kTokens + name);
    content.replace(at, bytes.size(), bytes);
    return failure(name, content);
  }
  std::string failure(const std::string& name, const std::string& content) {
    for (const char* other : {"megatron.bin", "megatron.idx"})
      write_file(local_files(), directory_ / other, read_file(local_files(), kTokens + other));
    write_file(local_files(), directory_ / name, content);
    return complaint(
        [&] { all_of(TokenData::load(directory_ / name, {.vocabulary_size = 60'000})); });
  }
  TemporaryDirectory directory_;
};

std::string little_endian(int64_t value, std::size_t bytes) {
  return {reinterpret_cast<const char*>(&value), bytes};
}

TEST_F(DamagedTokens, OfLlmcAreRefused) {
  EXPECT_THAT(failure("llmc_gpt2.bin", 4, little_endian(2, 4)),
              HasSubstr("magic number 20240520 and version 2"));
  EXPECT_THAT(failure("llmc_gpt2.bin", 0, little_endian(20240522, 4)),
              HasSubstr("evaluation file"));
  EXPECT_THAT(failure("llmc_gpt2.bin", 8, little_endian(1'001, 4)), HasSubstr("1001 tokens"));
  EXPECT_THAT(failure("llmc_gpt2.bin", 8, little_endian(-1, 4)),
              HasSubstr("gives -1 tokens; must be at least 0"));
  EXPECT_THAT(failure("llmc_gpt2.bin", little_endian(20240520, 8)), HasSubstr("8 bytes are too"));
}

TEST_F(DamagedTokens, OfMegatronAreRefused) {
  const struct {
    std::size_t at;
    std::string bytes;
    const char* says;
  } kChanges[] = {
      {9, little_endian(2, 8), "version 2"},
      {17, "\x07", "floating-point"},
      {17, "\x09", "unknown type 9"},
      {18, little_endian(5, 8), "5 sequences"},
      {18, little_endian(-1, 8), "more than its"},
      {26, little_endian(int64_t{1} << 40, 8), "more than its"},
      {26, little_endian(0, 8), "is empty"},
      {34, little_endian(-4, 4), "length of -4"},
      {34, little_endian(5, 4),
       "sequence 1 begins at byte 8, but the one before it ends at byte 10"},
      {46, little_endian(1, 4), "describes 18 bytes"},
      {58, little_endian(2, 8), "sequence 1 begins at byte 2"},
      {82, little_endian(1, 8), "document 0 begins at sequence 1"},
      {90, little_endian(3, 8), "document 2 begins at sequence 2, but must begin at or after 3"},
      {114, little_endian(5, 8), "documents end at sequence 5, but it has 4"},
  };
  for (const auto& change : kChanges) {
    EXPECT_THAT(failure("megatron.idx", change.at, change.bytes), HasSubstr(change.says));
  }
  const std::string whole = read_file(local_files(), kTokens + "megatron.idx");
  for (std::size_t size = 9; size < whole.size(); ++size) {
    EXPECT_NE(failure("megatron.idx", whole.substr(0, size)), "no error") << size << " bytes";
  }
  EXPECT_THAT(failure("megatron.idx", 0, "XMIDIDX"),
              HasSubstr("megatron.idx: does not begin like a Megatron index (MMIDIDX)"));
  EXPECT_THAT(failure("megatron.bin", "too long for the index"), HasSubstr("describes 16 bytes"));
}

TEST(ForeignTokens, OfATerabyteAreOpenedAtOnce) {
  const TemporaryDirectory directory;
  constexpr int64_t kTokensOfAFile = int64_t{250} << 30;
  const std::string path = directory / "sparse.bin";
  write_file(local_files(), path, "");
  std::error_code error;
  std::filesystem::resize_file(path, 2 * kTokensOfAFile, error);
  if (error) GTEST_SKIP() << "this file system has no files of 500 GiB";
  const std::vector twice{path, path};
  const auto data =
      TokenData::load(twice, {.format = DataFormat::nanogpt, .vocabulary_size = kGpt2});
  EXPECT_EQ(data.size(), 2 * kTokensOfAFile);
  std::vector<int32_t> last(4, 1);
  data.copy(data.size() - 4, last);
  EXPECT_THAT(last, ElementsAre(0, 0, 0, 0));
}

TEST(DataFile, AreOpenInALimitedNumber) {
  const TemporaryDirectory directory;
  std::vector<std::string> paths;
  std::string content(1'024, '\0');
  const int32_t header[] = {20240520, 1, 1};
  std::memcpy(content.data(), header, sizeof(header));
  for (int i = 0; i < 600; ++i) {
    paths.push_back(directory / (std::to_string(i) + ".bin"));
    write_file(local_files(), paths.back(), content + little_endian(i, 2));
  }
  const auto data = TokenData::load(paths);
  const auto open = std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {});
  EXPECT_LE(open, static_cast<std::ptrdiff_t>(kMostOpenFiles) + 30);
  const auto tokens = all_of(data);
  for (int32_t i = 0; i < 600; ++i) ASSERT_EQ(tokens[static_cast<std::size_t>(i)], i);
}

TEST(DataFile, ReportsAFileThatBecameShorter) {
  const TemporaryDirectory directory;
  const std::string path = directory / "cut.tokens";
  TokenData::of(std::vector<int32_t>(200'000), Tokenizer::external("zeros", 4))
      .save(local_files(), path);
  const auto data = TokenData::open(path);
  std::filesystem::resize_file(path, 1'000);
  std::vector<int32_t> last(1);
  EXPECT_THAT(complaint([&] { data.copy(199'999, last); }), HasSubstr("cut.tokens"));
}

TEST(DataPaths, ThatMeanNoFileAreRefused) {
  const TemporaryDirectory directory;
  EXPECT_THAT(complaint([&] { TokenData::load(directory / "*.bin"); }),
              HasSubstr("no file matches"));
  EXPECT_THAT(complaint([&] { TokenData::load(directory / "."); }), HasSubstr("has no files"));
}

}  // namespace
}  // namespace ripieno::io
