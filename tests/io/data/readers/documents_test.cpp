// Documents of JSON lines and Parquet: prompts and messages, and what is left out if it cannot be
// read.
#include <gmock/gmock.h>

#include <functional>
#include <string>
#include <vector>

#include "io/files/temporary_directory.h"
#include "ripieno/core/error.h"
#include "ripieno/io/data/batch.h"
#include "ripieno/io/data/readers/marked_text.h"
#include "ripieno/io/data/readers/parquet_rows.h"
#include "ripieno/io/data/readers/token_file.h"
#include "ripieno/io/data/token_data.h"
#include "ripieno/io/data/token_loader.h"
#include "ripieno/io/files/file_system.h"

namespace ripieno::io {
namespace {

using testing::Each;
using testing::HasSubstr;

const std::string kParquet = std::string(FIXTURES_FOLDER) + "/parquet/";

std::string complaint(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

std::vector<int32_t> tokens_of(const TokenData& data) {
  std::vector<int32_t> tokens(static_cast<std::size_t>(data.size()));
  data.copy(0, tokens);
  return tokens;
}

std::vector<int32_t> targets_of(const TokenData& data) {
  std::vector<int32_t> targets(static_cast<std::size_t>(data.size()));
  data.copy_targets(0, targets);
  return targets;
}

std::string text_of(const TokenData& data) { return data.tokenizer().decode(tokens_of(data)); }

// The text, with '.' for each byte that the loss does not count.
std::string counted_text(const TokenData& data) {
  std::string text = text_of(data);
  const auto targets = targets_of(data);
  for (std::size_t i = 0; i < text.size(); ++i)
    if (targets[i] == kIgnoredTarget) text[i] = '.';
  return text;
}

class Documents : public testing::Test {
 protected:
  TokenData load(const std::string& content, TokenDataOptions options = {}) {
    const std::string path = directory_ / "data.jsonl";
    write_file(local_files(), path, content);
    options.tokenizer = Tokenizer::Kind::bytes;
    return TokenData::load(path, options);
  }
  TemporaryDirectory directory_;
};

TEST_F(Documents, OfParquetAreTheRowsOfOneColumnWithoutNulls) {
  const auto data =
      TokenData::load(kParquet + "snappy_v1.parquet", {.tokenizer = Tokenizer::Kind::bytes});
  EXPECT_THAT(text_of(data), testing::StartsWith("\nrow 1: caffè ☕ \nrow 2: caffè ☕ caffè ☕ \n"
                                                 "row 4: \nrow 5: caffè ☕ \n"));
  EXPECT_FALSE(data.has_marks());
  for (const char* same : {"zstd_v2", "gzip_v2", "plain_v1", "fastparquet"}) {
    EXPECT_EQ(text_of(TokenData::load(kParquet + same + ".parquet",
                                      {.tokenizer = Tokenizer::Kind::bytes})),
              text_of(data));
  }
}

TEST_F(Documents, WithPromptsCountTheirCompletionsOnly) {
  const TokenDataOptions options{.content = TextContent::completion};
  EXPECT_EQ(counted_text(load("{\"prompt\": \"2 + 2 =\", \"completion\": \" 4\"}\n"
                              "{\"completion\": \"b\", \"prompt\": \"\", \"id\": 1}\n",
                              options)),
            "....... 4\nb\n");
  TokenDataOptions named = options;
  named.prompt_field = "question", named.completion_field = "answer";
  EXPECT_EQ(counted_text(load("{\"question\": \"a\", \"answer\": \"b\"}", named)), ".b\n");
  EXPECT_THAT(complaint([&] { load("{\"prompt\": \"a\"}", options); }),
              HasSubstr("data.jsonl: line 1 has no field \"completion\""));
}

TEST_F(Documents, WithPromptsMayBeParquet) {
  const auto data =
      TokenData::load(kParquet + "prompts.parquet",
                      {.tokenizer = Tokenizer::Kind::bytes, .content = TextContent::completion});
  EXPECT_THAT(counted_text(data), testing::StartsWith("........... Answer 0.\n"
                                                      "........... Answer 1.\n"));
  EXPECT_THAT(complaint([] {
                TokenData::load(kParquet + "prompts.parquet", {.content = TextContent::messages});
              }),
              HasSubstr("messages are read from JSON lines only"));
}

TEST_F(Documents, WithMessagesCountWhatTheAssistantSays) {
  const TokenDataOptions options{.content = TextContent::messages};
  const auto data = load(
      "{\"id\": 7, \"messages\": [{\"role\": \"system\", \"content\": \"Be brief.\"}, {\"role\": "
      "\"user\", \"content\": \"Hi\"}, {\"content\": \"Hello\", \"role\": \"assistant\", "
      "\"name\": [{}]}]}",
      options);
  EXPECT_EQ(text_of(data), "system: Be brief.\n\nuser: Hi\n\nassistant: Hello\n\n\n");
  EXPECT_EQ(counted_text(data),
            std::string(19, '.') + std::string(10, '.') + std::string(11, '.') + "Hello\n\n\n");
  const auto failure = [&](const std::string& messages) {
    return complaint([&] { load("{\"messages\": " + messages + "}", options); });
  };
  EXPECT_THAT(failure("[]"), HasSubstr("has no message"));
  EXPECT_THAT(failure("{}"), HasSubstr("must be a list of messages"));
  EXPECT_THAT(failure("[{\"role\": \"user\"}]"), HasSubstr("has no field \"content\""));
  EXPECT_THAT(failure("[{\"role\": \"user\", \"content\": [1]}]"), HasSubstr("must be a string"));
  EXPECT_THAT(failure("[\"user\"]"), HasSubstr("expected '{'"));
}

TEST_F(Documents, WithPromptsCannotBePlainText) {
  EXPECT_THAT(complaint([] {
                TokenData::load(std::string(FIXTURES_FOLDER) + "/text.txt",
                                {.content = TextContent::completion});
              }),
              HasSubstr("data.content=completion requires JSON lines or Parquet"));
}

TEST_F(Documents, KeepTheirMarksInATokenFile) {
  const std::string lines = "{\"prompt\": \"ab\", \"completion\": \"c\"}\n";
  const auto data = load(lines, {.content = TextContent::completion});
  data.save(local_files(), directory_ / "saved.tokens");
  const auto saved = TokenData::open(directory_ / "saved.tokens");
  EXPECT_EQ(tokens_of(saved), tokens_of(data));
  EXPECT_EQ(targets_of(saved), targets_of(data));
  EXPECT_EQ(saved.fingerprint(), data.fingerprint());
  EXPECT_TRUE(saved.has_marks());
  EXPECT_NE(saved.fingerprint(), load("{\"text\": \"abc\"}\n").fingerprint());
}

TEST_F(Documents, HaveTheirMarksInTheHighestBitOfTheirTokens) {
  for (const int64_t vocabulary : {1 << 15, (1 << 15) + 1, 2'147'483'647}) {
    const auto last = static_cast<int32_t>(vocabulary - 1);
    const std::vector<int32_t> marked = {0, uncounted(0), last, uncounted(last)};
    const uint32_t width = token_bytes_for(vocabulary, true);
    EXPECT_EQ(width, vocabulary <= 1 << 15 ? 2 : 4);
    std::vector<std::byte> bytes;
    append_tokens(marked, width, bytes);
    std::vector<int32_t> tokens(4), targets(4);
    unpack_tokens(bytes, {width, true}, tokens);
    unpack_targets(bytes, {width, true}, targets);
    EXPECT_EQ(tokens, (std::vector<int32_t>{0, 0, last, last}));
    EXPECT_EQ(targets, (std::vector<int32_t>{0, -1, last, -1}));
  }
}

TEST_F(Documents, GiveWindowsWithoutTheTargetsOfPrompts) {
  TokenLoaderOptions options{.batch_size = 1, .context = 8, .sampling = Sampling::epoch};
  options.validation_fraction = 0;
  TokenLoader loader(load("{\"prompt\": \"abcd\", \"completion\": \"efgh\"}",
                          {.content = TextContent::completion}),
                     options);
  const Batch batch = loader.next();
  EXPECT_EQ(batch.inputs.to_vector<int32_t>(),
            (std::vector<int32_t>{'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'}));
  EXPECT_EQ(batch.targets.to_vector<int32_t>(),
            (std::vector<int32_t>{-1, -1, -1, 'e', 'f', 'g', 'h', '\n'}));
}

TEST_F(Documents, ThatDoNotParseAreLeftOutAndCounted) {
  const std::string lines = "{\"text\": \"a\"}\nnot JSON\n{\"text\": 1}\n{\"text\": \"b\"}\n";
  EXPECT_THAT(complaint([&] { load(lines); }), HasSubstr("data.jsonl: line 2 is not valid JSON"));
  const auto data = load(lines, {.on_error = OnDataError::skip});
  EXPECT_EQ(text_of(data), "a\nb\n");
  EXPECT_EQ(data.skipped().count, 2);
  EXPECT_THAT(data.skipped().first, HasSubstr("data.jsonl: line 2 is not valid JSON"));
  // What is left is the same data set.
  EXPECT_EQ(data.fingerprint(), load("{\"text\": \"a\"}\n{\"text\": \"b\"}\n").fingerprint());
  EXPECT_THAT(complaint([&] { load("no\nJSON", {.on_error = OnDataError::skip}); }),
              HasSubstr("all 2 documents"));
}

TEST_F(Documents, OfAFileThatCannotBeReadAreLeftOutTogether) {
  write_file(local_files(), directory_ / "a.txt", "first ");
  write_file(local_files(), directory_ / "b.txt", std::string("sec\0nd", 6));
  write_file(local_files(), directory_ / "c.txt", "third");
  TokenDataOptions options{.tokenizer = Tokenizer::Kind::bytes};
  options.format = DataFormat::text;
  EXPECT_THAT(complaint([&] { TokenData::load(directory_ / "*.txt", options); }),
              HasSubstr("binary data"));
  options.on_error = OnDataError::skip;
  const auto data = TokenData::load(directory_ / "*.txt", options);
  EXPECT_EQ(text_of(data), "first third");
  EXPECT_EQ(data.skipped().count, 1);
}

TEST_F(Documents, OfADamagedPageOfParquetAreLeftOut) {
  std::string bytes = read_file(local_files(), kParquet + "checksums.parquet");
  bytes[bytes.find("row 23")] = 'R';
  write_file(local_files(), directory_ / "damaged.parquet", bytes);
  const auto data =
      TokenData::load(directory_ / "damaged.parquet",
                      {.tokenizer = Tokenizer::Kind::bytes, .on_error = OnDataError::skip});
  EXPECT_EQ(data.skipped().count, 8);
  EXPECT_THAT(text_of(data), testing::Not(HasSubstr("row 23")));
  EXPECT_THAT(text_of(data), HasSubstr("row 28"));
}

TEST_F(Documents, OfJsonLinesMayBeginWithAByteOrderMark) {
  EXPECT_EQ(text_of(load("\xef\xbb\xbf{\"text\": \"a\"}\n")), "a\n");
}

// Token files without checksums report a token outside the vocabulary when a window has it.
TEST_F(Documents, InAWindowThatCannotBeReadAreIgnoredInItsPlaceOnly) {
  std::vector<uint16_t> tokens(4'001);
  for (std::size_t i = 0; i < tokens.size(); ++i) tokens[i] = static_cast<uint16_t>(i % 50);
  tokens[777] = 60'000;
  const auto bytes = [&] {
    return std::string(reinterpret_cast<const char*>(tokens.data()), tokens.size() * 2);
  };
  write_file(local_files(), directory_ / "damaged.bin", bytes());
  tokens[777] = 777 % 50;
  write_file(local_files(), directory_ / "whole.bin", bytes());
  TokenLoaderOptions options{.batch_size = 10, .context = 40, .sampling = Sampling::epoch};
  options.validation_fraction = 0;
  options.data = {.format = DataFormat::nanogpt, .vocabulary_size = 50};
  TokenLoader whole(directory_ / "whole.bin", options);
  EXPECT_FALSE(whole.skipped());
  options.data.on_error = OnDataError::skip;
  TokenLoader skipping(directory_ / "damaged.bin", options);
  int ignored = 0;
  for (int step = 0; step < 20; ++step) {
    const Batch expected = whole.next(), found = skipping.next();
    for (int64_t row = 0; row < 10; ++row) {
      const auto targets = found.targets.slice(0, row, row + 1).to_vector<int32_t>();
      if (targets == expected.targets.slice(0, row, row + 1).to_vector<int32_t>()) continue;
      ++ignored;
      EXPECT_THAT(targets, Each(kIgnoredTarget));
      EXPECT_THAT(found.inputs.slice(0, row, row + 1).to_vector<int32_t>(), Each(0));
    }
  }
  EXPECT_GE(ignored, 1);
  ASSERT_TRUE(skipping.skipped());
  EXPECT_EQ(skipping.skipped()->count, ignored);
  EXPECT_THAT(skipping.skipped()->first, HasSubstr("is 60000, outside"));
}

TEST_F(Documents, AreLeftOutAloneForANul) {
  std::string lines;
  for (int i = 0; i < 100; ++i) lines += "{\"text\": \"a line of text\"}\n";
  lines += std::string("{\"text\": \"a\0b\"}\n", 16);
  const auto data = load(lines, {.on_error = OnDataError::skip});
  EXPECT_EQ(data.skipped().count, 1);
  EXPECT_THAT(data.skipped().first, HasSubstr("line 101 is not valid JSON"));
  EXPECT_EQ(data.size(), 100 * std::ssize(std::string("a line of text\n")));
}

TEST_F(Documents, OfMixturesMustHaveOneTokenizer) {
  const auto source = [](const std::string& text) {
    return WeightedTokens{TokenData::of(text, Tokenizer::characters_of(text), text.substr(0, 2))};
  };
  EXPECT_EQ(
      complaint([&] {
        TokenLoader({source("abababab"), source("cdcdcdcd")},
                    {.batch_size = 1, .context = 2, .validation_fraction = 0});
      }),
      "ab and cd have different tokenizers (of the characters of each), but one model "
      "requires one; for texts set data.tokenizer to bytes or to a tokenizer file, and encode "
      "token files with the same one");
}

TEST_F(Documents, ThatAreLeftOutCountOnceForAllRanks) {
  const auto data = load("{\"text\": \"abcdefgh\"}\nno JSON\n", {.on_error = OnDataError::skip});
  TokenLoaderOptions options{.batch_size = 2, .context = 2, .validation_fraction = 0};
  EXPECT_FALSE(TokenLoader(data, options).skipped());
  options.data.on_error = OnDataError::skip;
  EXPECT_EQ(TokenLoader(data, options, {0, 2}).skipped()->count, 1);
  EXPECT_EQ(TokenLoader(data, options, {1, 2}).skipped()->count, 0);
}

TEST(ParquetRows, AreSkippedInAllColumnsTogether) {
  ParquetRows rows(kParquet + "prompts.parquet", {.content = TextContent::completion});
  std::vector<std::string_view> values;
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(rows.next(values));
    EXPECT_EQ(values[0], "Question " + std::to_string(i) + "?");
    EXPECT_EQ(values[1], " Answer " + std::to_string(i * i) + ".");
    EXPECT_EQ(rows.row(), i);
  }
  EXPECT_FALSE(rows.next(values));
  EXPECT_EQ(rows.position(), rows.bytes());
}

}  // namespace
}  // namespace ripieno::io
