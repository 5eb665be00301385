// Texts and JSON lines, plain and compressed.
#include <gmock/gmock.h>
#include <zlib.h>
#include <zstd.h>

#include <functional>
#include <string>
#include <vector>

#include "io/files/temporary_directory.h"
#include "ripieno/core/error.h"
#include "ripieno/io/data/readers/json_line.h"
#include "ripieno/io/data/readers/text_stream.h"
#include "ripieno/io/data/token_data.h"
#include "ripieno/io/files/file_system.h"

namespace ripieno::io {
namespace {

using testing::HasSubstr;

std::string complaint(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

std::string gzip(const std::string& text) {
  z_stream stream{};
  deflateInit2(&stream, 9, Z_DEFLATED, 16 + MAX_WBITS, 9, Z_DEFAULT_STRATEGY);
  std::string packed(deflateBound(&stream, text.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

std::string zstandard(const std::string& text) {
  std::string packed(ZSTD_compressBound(text.size()), '\0');
  packed.resize(ZSTD_compress(packed.data(), packed.size(), text.data(), text.size(), 3));
  return packed;
}

std::string numbers(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += std::to_string(i * 7919 % 100'003) + " ";
  return text;
}

class TextFiles : public testing::Test {
 protected:
  std::string text_of(const std::string& name, const std::string& content,
                      const TokenDataOptions& options = {.tokenizer = Tokenizer::Kind::bytes}) {
    const std::string path = directory_ / name;
    write_file(local_files(), path, content);
    const auto data = TokenData::load(path, options);
    std::vector<int32_t> tokens(static_cast<std::size_t>(data.size()));
    data.copy(0, tokens);
    return data.tokenizer().decode(tokens);
  }
  std::string failure(const std::string& name, const std::string& content) {
    return complaint([&] { text_of(name, content); });
  }
  TemporaryDirectory directory_;
};

TEST_F(TextFiles, AreTheSameWhenTheyAreCompressed) {
  const std::string text = numbers(300'000);
  EXPECT_EQ(text_of("text.txt", text), text);
  EXPECT_EQ(text_of("text.txt.gz", gzip(text)), text);
  EXPECT_EQ(text_of("text.txt.zst", zstandard(text)), text);
  EXPECT_EQ(text_of("two.gz", gzip("one ") + gzip("two")), "one two");
  EXPECT_EQ(text_of("two.zst", zstandard("one ") + zstandard("two")), "one two");
}

TEST_F(TextFiles, ThatAreCutOrDamagedAreRefused) {
  for (const std::string& packed : {gzip(numbers(1'000)), zstandard(numbers(1'000))}) {
    for (const std::size_t size : {packed.size() / 2, packed.size() - 1}) {
      EXPECT_THAT(failure("cut", packed.substr(0, size)), HasSubstr("is truncated")) << size;
    }
  }
  std::string damaged = gzip(numbers(1'000));  // which has a checksum
  damaged[damaged.size() / 2] = static_cast<char>(damaged[damaged.size() / 2] ^ 0x55);
  EXPECT_THAT(failure("damaged", damaged), HasSubstr("the gzip data is damaged"));
  EXPECT_NE(failure("rest.gz", gzip("one") + "rest"), "no error");
}

TEST_F(TextFiles, ThatUnpackToFarMoreThanTheirSizeAreRefused) {
  const std::string bomb(static_cast<std::size_t>(2 * kMostUnpacked), 'a');
  EXPECT_THAT(failure("bomb.gz", gzip(bomb)), HasSubstr("more than 200 times its size"));
  EXPECT_THAT(failure("bomb.zst", zstandard(bomb)), HasSubstr("more than 200 times its size"));
}

TEST_F(TextFiles, OfJsonLinesAreTheTextsOfOneField) {
  const std::string lines = "{\"id\": 1, \"text\": \"caf\\u00e9\"}\n\n{\"text\":\"two\\n\"}\r\n";
  EXPECT_EQ(text_of("lines.jsonl", lines), "café\ntwo\n\n");
  EXPECT_EQ(text_of("lines.jsonl.gz", gzip(lines)), "café\ntwo\n\n");
  EXPECT_EQ(
      text_of(
          "lines.txt", "{\"body\": \"x\"}",
          {.format = DataFormat::jsonl, .tokenizer = Tokenizer::Kind::bytes, .text_field = "body"}),
      "x\n");
  EXPECT_THAT(failure("lines.jsonl", "{\"text\": \"x\"}\n{\"body\": 1}"),
              HasSubstr("lines.jsonl: line 2 has no field \"text\""));
}

std::string field(const std::string& line) {
  std::string text;
  read_json_field(line, "text", text);
  return text;
}

TEST(JsonLine, UnescapesTheField) {
  EXPECT_EQ(field(R"({"text": "a\"\\\/\b\f\n\r\t\u20ac\ud83d\ude00"})"), "a\"\\/\b\f\n\r\t€😀");
  EXPECT_EQ(field(R"({"a": [1, -2.5e+3, {"text": "no"}, true, null, []], "text": ""})"), "");
  EXPECT_EQ(field(R"({"\u0074ext": "escaped name"})"), "escaped name");
  EXPECT_EQ(field(R"({"text": "first", "text": "last"})"), "last");
}

TEST(JsonLine, RefusesWhatIsNotJson) {
  for (const char* line : {"",
                           "[]",
                           "{",
                           "{\"text\"",
                           "{\"text\":",
                           "{\"text\": \"a",
                           "{\"text\": \"a\"",
                           "{\"text\": \"a\"} x",
                           "{\"text\": \"a\",}",
                           "{\"text\": \"\\x\"}",
                           "{\"text\": \"\\u12\"}",
                           "{\"text\": \"\\ud800\"}",
                           "{\"text\": \"\\udc00\"}",
                           "{\"text\": \"\\ud800\\u0041\"}",
                           "{\"text\": \"\t\"}",
                           "{\"text\": \"\xff\"}",
                           "{\"text\": \"a\", \"n\": 01}",
                           "{\"text\": \"a\", \"n\": 1.}",
                           "{\"text\": \"a\", \"n\": +1}",
                           "{\"text\": \"a\" \"b\": 1}",
                           "{text: \"a\"}",
                           "{'text': 'a'}",
                           "{\"text\": \"a\", \"n\": nul}"}) {
    EXPECT_THROW(field(line), DataError) << line;
  }
  EXPECT_THAT(complaint([] { field("{\"text\": 1}"); }), HasSubstr("must be a string"));
  const std::string deep = std::string(100'000, '[') + std::string(100'000, ']');
  EXPECT_THAT(complaint([&] { field("{\"a\": " + deep + "}"); }), HasSubstr("levels"));
}

}  // namespace
}  // namespace ripieno::io
