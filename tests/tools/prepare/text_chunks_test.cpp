#include "ripieno/tools/prepare/text_chunks.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "io/files/temporary_directory.h"
#include "ripieno/core/error.h"

namespace ripieno::tools {
namespace {

class TextChunksTest : public testing::Test {
 protected:
  TextInput write(const std::string& name, const std::string& text,
                  io::DataFormat format = io::DataFormat::text) {
    std::ofstream(directory_ / name) << text;
    return {directory_ / name, format};
  }

  // All chunks, "|" between them and "." after the last one of a file.
  std::string chunks_of(std::vector<TextInput> inputs, const std::string& separator = "") {
    TextChunks chunks(std::move(inputs), tokenizer_, separator, {.chunk = 8, .most = 32});
    std::string all;
    int64_t count = 0;
    while (const auto chunk = chunks.next()) {
      EXPECT_EQ(chunk->number, count++);
      all += chunk->bytes + (chunk->ends_file ? "." : "|");
    }
    EXPECT_EQ(chunks.position(), chunks.total_bytes());
    return all;
  }

  io::TemporaryDirectory directory_;
  io::Tokenizer tokenizer_ = io::Tokenizer::bytes();
};

TEST_F(TextChunksTest, EndAtTheEndOfALine) {
  const auto input = write("a", "123\n456\n789\n\nabcdefghij\nk", io::DataFormat::jsonl);
  EXPECT_EQ(chunks_of({input}), "123\n456\n|789\n\n|abcdefghij\n|k.");
}

TEST_F(TextChunksTest, EndAtTheEndOfADocument) {
  EXPECT_EQ(chunks_of({write("a", "1234##567##89##")}, "##"), "1234##|567##89##.");
  EXPECT_EQ(chunks_of({write("a", "1234567#")}, "##"), "1234567#.");
}

TEST_F(TextChunksTest, FindASeparatorAcrossTwoReads) {
  EXPECT_EQ(chunks_of({write("a", "1234567##890123456789")}, "##"), "1234567##|890123456789.");
}

TEST_F(TextChunksTest, OfSeveralFilesAreNumberedTogetherWithoutEmptyOnes) {
  EXPECT_EQ(chunks_of({write("a", "12\n", io::DataFormat::jsonl), write("b", ""),
                       write("c", "3\n", io::DataFormat::jsonl)}),
            "12\n.3\n.");
}

TEST_F(TextChunksTest, OfAFileThatIsDamagedEndThere) {
  const auto bad = write("a", std::string("12\0", 3)),
             good = write("b", "3\n", io::DataFormat::jsonl);
  TextChunks chunks({bad, good}, tokenizer_, "", {}, {}, io::OnDataError::skip);
  const auto first = chunks.next(), second = chunks.next();
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->bytes, "");
  EXPECT_EQ(first->skipped.count, 1);
  EXPECT_EQ(second->bytes, "3\n");
  EXPECT_EQ(second->number, 1);
  EXPECT_FALSE(chunks.next());
  EXPECT_THROW(TextChunks({bad}, tokenizer_, "").next(), DataError);
}

TEST_F(TextChunksTest, HaveTheNumberOfTheirFirstLine) {
  const auto input = write("a", "123\n456\n789\n\nabcdefghij\nk", io::DataFormat::jsonl);
  TextChunks chunks({input}, tokenizer_, "", {.chunk = 8, .most = 32});
  EXPECT_EQ(chunks.next()->first_line, 1);
  EXPECT_EQ(chunks.next()->first_line, 3);
  EXPECT_EQ(chunks.next()->first_line, 5);
}

TEST_F(TextChunksTest, RefuseALineThatIsTooLarge) {
  EXPECT_THROW(chunks_of({write("a", std::string(100, 'a'), io::DataFormat::jsonl)}), DataError);
  EXPECT_THROW(chunks_of({write("a", std::string(100, 'a'))}, "##"), DataError);
}

TEST_F(TextChunksTest, RefuseWhatIsNotText) {
  EXPECT_THROW(chunks_of({write("a", "PK\x03\x04 and more")}), DataError);
}

}  // namespace
}  // namespace ripieno::tools
