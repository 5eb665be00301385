#include "ripieno/tools/prepare/encoder.h"

#include <gtest/gtest.h>

#include <string>

#include "ripieno/core/error.h"
#include "ripieno/io/data/readers/token_file.h"

namespace ripieno::tools {
namespace {

constexpr int32_t kEnd = '$';

TextChunk chunk_of(std::string bytes, io::DataFormat format = io::DataFormat::text,
                   bool ends_file = true) {
  return {0, {"name", format}, 7, std::move(bytes), ends_file};
}

std::string text_of(const std::vector<std::byte>& bytes) {
  std::vector<int32_t> tokens(bytes.size() / 2);
  io::unpack_tokens(bytes, {2}, tokens);
  return io::Tokenizer::bytes().decode(tokens);
}

EncodedChunk encode(const TextChunk& chunk, EncoderOptions options = {}) {
  options.end_of_document = kEnd;
  const auto tokenizer = io::Tokenizer::bytes();
  return ChunkEncoder(tokenizer, options).encode(chunk);
}

std::string message_of(const TextChunk& chunk) {
  try {
    encode(chunk);
  } catch (const DataError& error) {
    return error.what();
  }
  return "";
}

TEST(ChunkEncoder, EndsEachLineOfJsonWithAToken) {
  const auto encoded = encode(chunk_of("{\"text\": \"a\\n\"}\n\n{\"x\": 1, \"text\": \"b\"}",
                                       io::DataFormat::jsonl, false));
  EXPECT_EQ(text_of(encoded.train), "a\n$b$");
  EXPECT_EQ(encoded.documents, 2);
  EXPECT_TRUE(encoded.validation.empty());
}

TEST(ChunkEncoder, EndsATextOnlyAtTheEndOfItsFile) {
  EXPECT_EQ(text_of(encode(chunk_of("ab", io::DataFormat::text, false)).train), "ab");
  EXPECT_EQ(text_of(encode(chunk_of("ab", io::DataFormat::text, true)).train), "ab$");
}

TEST(ChunkEncoder, DropsDocumentsOfWhiteSpaceBetweenSeparators) {
  const auto encoded = encode(chunk_of("a##\n##b\n##\n"), {.separator = "##"});
  EXPECT_EQ(text_of(encoded.train), "a$b\n$");
  EXPECT_EQ(encoded.documents, 2);
}

TEST(ChunkEncoder, AddsNoTokenWithoutAnEndOfDocument) {
  const auto tokenizer = io::Tokenizer::bytes();
  const auto encoded = ChunkEncoder(tokenizer, {.separator = "##"}).encode(chunk_of("a##b"));
  EXPECT_EQ(text_of(encoded.train), "ab");
}

TEST(ChunkEncoder, ChoosesTheShareOfDocumentsByTheirText) {
  std::string lines;
  for (int i = 0; i < 4000; ++i) lines += std::to_string(i) + "#";
  const EncoderOptions options{.separator = "#", .validation_share = 0.25};
  const auto encoded = encode(chunk_of(lines), options);
  const std::string train = text_of(encoded.train), validation = text_of(encoded.validation);
  const auto chosen = std::count(validation.begin(), validation.end(), kEnd);
  EXPECT_NEAR(chosen, 1000, 150);
  EXPECT_EQ(std::count(train.begin(), train.end(), kEnd), 4000 - chosen);
  // A document is on the same side, whatever is around it.
  const std::string first = validation.substr(0, validation.find('$'));
  EXPECT_EQ(text_of(encode(chunk_of(first), options).validation), first + "$");
}

TEST(ChunkEncoder, LeavesOutLinesThatAreDamagedIfItMay) {
  const auto encoded = encode(
      chunk_of("{\"text\": \"a\"}\n{\"text\": 1}\n{\"text\": \"b\"}\n", io::DataFormat::jsonl),
      {.on_error = io::OnDataError::skip});
  EXPECT_EQ(text_of(encoded.train), "a$b$");
  EXPECT_EQ(encoded.documents, 2);
  EXPECT_EQ(encoded.skipped.count, 1);
  EXPECT_TRUE(encoded.skipped.first.starts_with("name: line 8 ")) << encoded.skipped.first;
}

TEST(ChunkEncoder, MarksThePromptsOfRows) {
  TextChunk chunk = chunk_of("aBcD", io::DataFormat::parquet);
  chunk.rows = {{0, {1, 2}}, {5, {3, 4}}};
  const auto encoded = encode(chunk, {.fields = {.content = io::TextContent::completion}});
  std::vector<int32_t> targets(6);
  io::unpack_targets(encoded.train, {2, true}, targets);
  EXPECT_EQ(targets, (std::vector<int32_t>{-1, 'B', kEnd, -1, 'D', kEnd}));
}

TEST(ChunkEncoder, NamesTheLineThatIsDamaged) {
  EXPECT_TRUE(message_of(chunk_of("{\"text\": \"a\"}\n{\"text\": 1}\n", io::DataFormat::jsonl))
                  .starts_with("name: line 8 "));
  EXPECT_EQ(message_of(chunk_of(std::string("a\n\nb\0c", 6))),
            "name: line 9 has a NUL byte; text must not have any");
}

}  // namespace
}  // namespace ripieno::tools
