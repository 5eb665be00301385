#include "ripieno/io/data/token_data.h"

#include <gmock/gmock.h>

#include <cstring>
#include <filesystem>
#include <numeric>
#include <vector>

#include "io/files/crashing_file_system.h"
#include "io/files/temporary_directory.h"
#include "ripieno/core/error.h"
#include "ripieno/io/files/file_system.h"
#include "ripieno/io/files/hash.h"

namespace ripieno::io {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<int32_t> all_of(const TokenData& data) {
  std::vector<int32_t> tokens(static_cast<std::size_t>(data.size()));
  data.copy(0, tokens);
  return tokens;
}

std::vector<int32_t> counting(int32_t size) {
  std::vector<int32_t> tokens(static_cast<std::size_t>(size));
  std::iota(tokens.begin(), tokens.end(), 0);
  return tokens;
}

class TokenFile : public testing::Test {
 protected:
  // The file has 100,000 tokens in several blocks.
  void SetUp() override { data_.save(local_files(), path_); }

  std::string bytes() const { return read_file(local_files(), path_); }
  // The message that opening and reading the file throws.
  std::string failure() const {
    try {
      all_of(TokenData::open(path_));
    } catch (const DataError& error) {
      return error.what();
    }
    return "no error";
  }
  void flip(std::size_t at) {
    std::string changed = bytes();
    changed[at] = static_cast<char>(changed[at] ^ 0x10);
    write_file(local_files(), path_, changed);
  }

  TemporaryDirectory directory_;
  std::string path_ = directory_ / "tokens.bin";
  TokenData data_ = TokenData::of(counting(100'000), Tokenizer::external("counting", 100'000));
};

TEST_F(TokenFile, ReadsBackWhatWasSaved) {
  const TokenData read = TokenData::open(path_);
  EXPECT_EQ(all_of(read), counting(100'000));
  EXPECT_EQ(read.fingerprint(), data_.fingerprint());
  EXPECT_EQ(read.tokenizer().vocabulary_size(), 100'000);
}

TEST_F(TokenFile, ContainsItsTokenizer) {
  TokenData::of("héllo", Tokenizer::characters_of("héllo")).save(local_files(), path_);
  const TokenData read = TokenData::load(path_);
  EXPECT_EQ(read.tokenizer().decode(all_of(read)), "héllo");
}

TEST_F(TokenFile, UsesTwoBytesPerTokenForSmallVocabularies) {
  TokenData::of(counting(1'000), Tokenizer::external("small", 65'536)).save(local_files(), path_);
  EXPECT_LT(bytes().size(), 2'300u);
  EXPECT_EQ(all_of(TokenData::open(path_)), counting(1'000));
}

TEST_F(TokenFile, OfASliceContainsOnlyTheSlice) {
  data_.slice(10, 13).save(local_files(), path_);
  EXPECT_THAT(all_of(TokenData::open(path_)), ElementsAre(10, 11, 12));
}

TEST_F(TokenFile, IsRejectedIfAnyByteHasAFlippedBit) {
  TokenData::of(counting(5), Tokenizer::external("five", 5)).save(local_files(), path_);
  const std::size_t size = bytes().size();
  for (std::size_t at = 0; at < size; ++at) {
    flip(at);
    EXPECT_THROW(all_of(TokenData::open(path_)), DataError) << "byte " << at;
    flip(at);
  }
  EXPECT_EQ(all_of(TokenData::open(path_)), counting(5));
}

TEST_F(TokenFile, IsRejectedIfItIsTruncated) {
  const std::string whole = bytes();
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{63}, std::size_t{64},
                                 whole.size() / 2, whole.size() - 1}) {
    write_file(local_files(), path_, whole.substr(0, size));
    EXPECT_THROW(TokenData::open(path_), DataError) << size << " bytes";
  }
}

TEST_F(TokenFile, IsRejectedIfItIsTruncatedAtAnyByte) {
  TokenData::of(counting(5), Tokenizer::external("five", 5)).save(local_files(), path_);
  for (std::size_t size = bytes().size(); size-- > 0;) {
    std::filesystem::resize_file(path_, size);
    EXPECT_THROW(TokenData::open(path_), DataError) << size << " bytes";
  }
}

TEST_F(TokenFile, CanBeReadOutsideADamagedBlock) {
  flip(200'000);
  const TokenData read = TokenData::open(path_);
  EXPECT_THAT(all_of(read.slice(0, 3)), ElementsAre(0, 1, 2));
  EXPECT_THROW(all_of(read), DataError);
}

TEST_F(TokenFile, IsNotSavedAgainIfItIsDamaged) {
  flip(200'000);
  EXPECT_THROW(TokenData::open(path_).save(local_files(), directory_ / "copy.bin"), DataError);
}

TEST_F(TokenFile, OfAnotherVersionIsRejectedWithItsVersion) {
  flip(8);
  EXPECT_THAT(failure(), HasSubstr("of version 17"));
}

// Another program may write such a file, with correct checksums.
TEST_F(TokenFile, IsRejectedIfATokenIsOutsideTheVocabulary) {
  TokenData::of(counting(6), Tokenizer::external("x", 6)).save(local_files(), path_);
  std::string changed = bytes();
  changed[16] = 5;
  changed[changed.find(":6}") + 1] = '5';
  const uint64_t hash = hash_of(changed.substr(0, 56) + changed.substr(64, 64));
  std::memcpy(changed.data() + 56, &hash, sizeof(hash));
  write_file(local_files(), path_, changed);
  EXPECT_THAT(failure(), HasSubstr("token 5 is outside the vocabulary of 5 tokens"));
}

TEST(TokenData, RejectsATokenOutsideTheVocabulary) {
  EXPECT_THROW(TokenData::of(counting(6), Tokenizer::external("five", 5)), DataError);
  EXPECT_THROW(TokenData::of(std::vector<int32_t>{-1}, Tokenizer::external("five", 5)), DataError);
}

TEST(TokenData, FingerprintChangesWithTokensAndVocabulary) {
  const auto of = [](const char* text, const char* vocabulary) {
    return TokenData::of(text, Tokenizer::characters_of(vocabulary)).fingerprint();
  };
  EXPECT_EQ(of("ab", "ab"), of("ab", "ab"));
  EXPECT_NE(of("ab", "ab"), of("ba", "ab"));
  EXPECT_NE(of("ab", "ab"), of("ab", "abc"));
}

TEST(TokenData, IsOldOrNewAfterAPowerCutAtAnyOperation) {
  const TokenData before = TokenData::of("old", Tokenizer::bytes()),
                  after = TokenData::of("newer", Tokenizer::bytes());
  bool finished = false;
  for (int operations = 0; !finished; ++operations) {
    CrashingFileSystem files;
    files.make_directories("data");
    files.sync_directory(".");
    before.save(files, "data/tokens");
    const std::string old_bytes = read_file(files, "data/tokens");
    files.cut_power_after(operations);
    try {
      after.save(files, "data/tokens");
      finished = true;
    } catch (const PowerCut&) {
    }
    files.restart(CrashingFileSystem::Survives::what_was_synced);
    const std::string bytes = read_file(files, "data/tokens");
    after.save(files, "data/tokens");
    const bool is_new = bytes == read_file(files, "data/tokens");
    EXPECT_TRUE(is_new || (!finished && bytes == old_bytes)) << "after operation " << operations;
  }
}

TEST(TokenData, ReadsATextAndDerivesItsVocabulary) {
  TemporaryDirectory directory;
  write_file(local_files(), directory / "text.txt", "abcab");
  EXPECT_THAT(all_of(TokenData::load(directory / "text.txt")), ElementsAre(0, 1, 2, 0, 1));
  const TokenData bytes =
      TokenData::load(directory / "text.txt", {.tokenizer = Tokenizer::Kind::bytes});
  EXPECT_THAT(all_of(bytes), ElementsAre(97, 98, 99, 97, 98));
}

TEST(TokenData, NamesAMissingFileInTheError) {
  try {
    TokenData::load("/nowhere/text.txt");
    FAIL() << "nothing was thrown";
  } catch (const ConfigurationError& error) {
    EXPECT_THAT(error.what(), HasSubstr("/nowhere/text.txt"));
  }
}

TEST(TokenData, NamesAFileThatIsNotUtf8InTheError) {
  TemporaryDirectory directory;
  write_file(local_files(), directory / "latin1.txt", "abc\xe9");
  try {
    TokenData::load(directory / "latin1.txt");
    FAIL() << "nothing was thrown";
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), HasSubstr("latin1.txt"));
    EXPECT_THAT(error.what(), HasSubstr("at byte 3"));
  }
}

TEST(TokenData, IsSplitByAFraction) {
  const TokenData data = TokenData::of(counting(1'115'394), Tokenizer::external("tiny", 2'000'000));
  const TokenSplit parts = split(data, 0.1);
  EXPECT_EQ(parts.train.size(), 1'003'854);
  EXPECT_EQ(all_of(parts.validation.slice(0, 1)).front(), 1'003'854);
  EXPECT_THROW(split(data, 1), ConfigurationError);
  EXPECT_THROW(split(data, -0.1), ConfigurationError);
}

TEST(TokenData, ThrowsOnAReadOutsideItsTokens) {
  const TokenData data = TokenData::of(counting(10), Tokenizer::external("ten", 10)).slice(2, 8);
  std::vector<int32_t> three(3);
  EXPECT_THROW(data.copy(4, three), Error);
  EXPECT_THROW(data.copy(-1, three), Error);
  EXPECT_THROW(data.slice(2, 7), Error);
  data.copy(3, three);
  EXPECT_THAT(three, ElementsAre(5, 6, 7));
}

TEST(TextFile, IsRejectedIfItIsNotText) {
  const TemporaryDirectory directory;
  const std::string path = directory / "data";
  const auto complaint = [&](const std::string& bytes, Tokenizer::Kind kind) -> std::string {
    write_file(local_files(), path, bytes);
    try {
      TokenData::load(path, {.tokenizer = kind});
    } catch (const DataError& error) {
      return error.what();
    }
    return "taken";
  };
  const struct {
    std::string bytes;
    const char* says;
  } kFiles[] = {
      {"\x1f\x8b\x08 abc", "gzip"},
      {"PK\x03\x04 abc", "zip"},
      {"\x89HDF\r\n\x1a\n abc", "HDF5"},
      {"%PDF-1.7 abc", "PDF"},
      {std::string(257, 'a') + "ustar abc", "tar"},
      {"\x93NUMPY abc", "NumPy"},
      {std::string("\xff\xfe") + std::string("a\0b\0", 4), "iconv -f UTF-16 "},
      {std::string("a\0b\0c\0\n\0", 8), "iconv -f UTF-16LE"},
      {std::string("\0a\0b\0c\0\n", 8), "iconv -f UTF-16BE"},
      {std::string("\x05\0\x06\0\x07\0", 6), "docs/data_formats.md"},
      {std::string("a text with one\0 NUL", 20), "byte 15 is NUL"},
  };
  for (const auto& file : kFiles) {
    for (const auto kind : {Tokenizer::Kind::characters, Tokenizer::Kind::bytes}) {
      const std::string said = complaint(file.bytes, kind);
      EXPECT_THAT(said, HasSubstr(file.says));
      EXPECT_THAT(said, HasSubstr(path));
    }
  }
  EXPECT_EQ(complaint("BZ, PK and GGU are words", Tokenizer::Kind::characters), "taken");
}

}  // namespace
}  // namespace ripieno::io
