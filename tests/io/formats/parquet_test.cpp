// tests/fixtures/parquet was written by write_parquet.py with pyarrow and fastparquet.
#include <gmock/gmock.h>
#include <zstd.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "ripieno/core/error.h"
#include "ripieno/io/files/file_system.h"
#include "ripieno/io/formats/parquet/page_codec.h"
#include "ripieno/io/formats/parquet/run_reader.h"
#include "ripieno/io/formats/parquet/snappy.h"
#include "ripieno/io/formats/parquet/text_column.h"
#include "ripieno/io/formats/parquet/thrift_reader.h"

namespace ripieno::io::parquet {
namespace {

using namespace std::literals;
using testing::ElementsAre;
using testing::HasSubstr;

using Rows = std::vector<std::optional<std::string>>;

const std::string kFolder = std::string(FIXTURES_FOLDER) + "/parquet/";

std::string complaint(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

// As row() of write_parquet.py.
std::optional<std::string> row(int i) {
  if (i % 7 == 3) return std::nullopt;
  if (i % 11 == 0) return "";
  std::string text = "row " + std::to_string(i) + ": ";
  for (int k = 0; k < i % 4; ++k) text += "caffè ☕ ";
  return text;
}

Rows written(int count, bool is_nullable = true) {
  Rows rows;
  for (int i = 0; i < count; ++i) {
    rows.push_back(row(i));
    // Python's "or" replaces empty strings, too.
    if (!is_nullable && (!rows.back() || rows.back()->empty())) rows.back() = "none";
  }
  return rows;
}

TextColumn column_of(const std::string& path, const std::string& name = "text") {
  return {local_files().open(path), path, name};
}

Rows all_of(TextColumn column) {
  Rows rows;
  std::optional<std::string_view> value;
  while (column.next(value)) rows.emplace_back(value);
  EXPECT_EQ(column.row(), column.rows());
  EXPECT_EQ(column.position(), column.bytes());
  return rows;
}

class WrittenByParquetWriters : public testing::TestWithParam<const char*> {};

TEST_P(WrittenByParquetWriters, HasTheRowsThatWereWritten) {
  EXPECT_EQ(all_of(column_of(kFolder + GetParam() + ".parquet")), written(50));
}

INSTANTIATE_TEST_SUITE_P(, WrittenByParquetWriters,
                         testing::Values("plain_v1", "snappy_v1", "zstd_v2", "gzip_v2", "checksums",
                                         "full_dictionary", "fastparquet"),
                         [](const auto& test) { return std::string(test.param); });

TEST(ParquetText, OfRequiredColumnsHasNoLevels) {
  EXPECT_EQ(all_of(column_of(kFolder + "required_v1.parquet")), written(50, false));
  EXPECT_EQ(all_of(column_of(kFolder + "required_v2.parquet")), written(50, false));
}

TEST(ParquetText, MayHaveManyValuesInItsDictionary) {
  EXPECT_EQ(all_of(column_of(kFolder + "wide_indices.parquet")), written(600));
}

TEST(ParquetText, MayBeEmptyOrLong) {
  EXPECT_EQ(all_of(column_of(kFolder + "no_rows.parquet")), Rows());
  const Rows rows = all_of(column_of(kFolder + "large_strings.parquet"));
  ASSERT_EQ(rows.size(), 2);
  std::string repeated;
  for (int i = 0; i < 4'000; ++i) repeated += "Snappy repeats itself. ";
  EXPECT_EQ(rows[0], repeated);
  EXPECT_EQ(rows[1], "end");
}

TEST(ParquetText, OfEachColumnIsReadByItsName) {
  EXPECT_EQ(all_of(column_of(kFolder + "prompts.parquet", "prompt"))[19], "Question 19?");
  EXPECT_EQ(all_of(column_of(kFolder + "prompts.parquet", "completion"))[19], " Answer 361.");
  EXPECT_THAT(read_columns(*local_files().open(kFolder + "plain_v1.parquet")),
              ElementsAre("id", "meta", "text", "tags"));
}

TEST(ParquetText, CanBeSkipped) {
  for (const int rows : {0, 1, 7, 20, 39, 49, 50, 1'000}) {
    TextColumn column = column_of(kFolder + "zstd_v2.parquet");
    column.skip(rows);
    std::optional<std::string_view> value;
    ASSERT_EQ(column.next(value), rows < 50) << rows;
    if (rows >= 50) continue;
    EXPECT_EQ(std::optional<std::string>(value), row(rows)) << rows;
  }
}

TEST(ParquetText, IsRefusedByNameIfItIsNotSupported) {
  const std::string plain = kFolder + "plain_v1.parquet";
  const auto failure = [](const std::string& path, const std::string& name) {
    return complaint([&] { all_of(column_of(path, name)); });
  };
  EXPECT_EQ(failure(plain, "body"),
            plain + ": has no column \"body\"; its columns: id, meta, text, tags");
  EXPECT_THAT(failure(plain, "id"), HasSubstr("has the type int64; must be a string"));
  EXPECT_THAT(failure(plain, "meta"), HasSubstr("\"meta\" is nested"));
  EXPECT_THAT(failure(plain, "tags"), HasSubstr("\"tags\" is nested"));
  EXPECT_THAT(failure(kFolder + "brotli.parquet", "text"), HasSubstr("compressed by Brotli"));
  EXPECT_THAT(failure(kFolder + "delta.parquet", "text"),
              HasSubstr("encoding DELTA_BYTE_ARRAY; must be PLAIN or RLE_DICTIONARY"));
}

class BytesInMemory final : public ReadableFile {
 public:
  explicit BytesInMemory(std::string bytes) : bytes_(std::move(bytes)) {}
  int64_t size() const override { return std::ssize(bytes_); }
  void read(int64_t offset, std::span<std::byte> into) const override {
    if (offset < 0 || offset + std::ssize(into) > size())
      throw std::out_of_range("outside the file");
    std::copy_n(bytes_.data() + offset, into.size(), reinterpret_cast<char*>(into.data()));
  }

 private:
  std::string bytes_;
};

TextColumn column_in(std::string bytes) {
  return {std::make_shared<BytesInMemory>(std::move(bytes)), "memory", "text"};
}

std::string content(const std::string& name) {
  return read_file(local_files(), kFolder + name + ".parquet");
}

// The rows that can be read, and how many cannot.
std::pair<Rows, int64_t> readable_rows(const std::string& bytes) {
  TextColumn column = column_in(bytes);
  Rows rows;
  int64_t failed = 0;
  std::optional<std::string_view> value;
  for (bool has_more = true; has_more;) {
    try {
      has_more = column.next(value);
      if (has_more) rows.emplace_back(value);
    } catch (const DataError&) {
      EXPECT_GT(column.failed_rows(), 0);
      failed += column.failed_rows();
      column.skip(column.failed_rows());
    }
  }
  EXPECT_EQ(std::ssize(rows) + failed, column.rows());
  return {rows, failed};
}

std::string failure(const std::string& bytes) {
  return complaint([&] { all_of(column_in(bytes)); });
}

TEST(DamagedParquet, IsRefusedWhereverItIsCut) {
  const std::string whole = content("snappy_v1");
  for (std::size_t size = 0; size < whole.size(); size += 7)
    EXPECT_NE(failure(whole.substr(0, size)), "no error") << size;
  EXPECT_THAT(failure(whole.substr(0, whole.size() - 1)), HasSubstr("truncated or damaged"));
  EXPECT_THAT(failure("PAR1"), HasSubstr("4 bytes are too few"));
  EXPECT_THAT(failure(whole.substr(0, whole.size() - 4) + "PARE"), HasSubstr("encrypted"));
  EXPECT_THAT(failure("PAR1\xff\xff\xff\x7fPAR1"), HasSubstr("its footer has 2147483647 bytes"));
}

TEST(DamagedParquet, LosesThePageThatItsChecksumRefusesAndNoOther) {
  std::string damaged = content("checksums");
  damaged[damaged.find("row 23")] = 'R';
  EXPECT_THAT(failure(damaged), HasSubstr("\"text\", row 20: the checksum of a page is wrong"));
  const auto [rows, failed] = readable_rows(damaged);
  EXPECT_EQ(failed, 8);
  Rows expected = written(50);
  expected.erase(expected.begin() + 20, expected.begin() + 28);
  EXPECT_EQ(rows, expected);
}

TEST(DamagedParquet, WithAnyByteChangedIsReadOrRefused) {
  for (const char* name : {"zstd_v2", "snappy_v1", "fastparquet", "required_v2"}) {
    std::string bytes = content(name);
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
      const char before = std::exchange(bytes[i], static_cast<char>(bytes[i] ^ (1 << i % 8)));
      try {
        readable_rows(bytes);
      } catch (const DataError&) {
      }
      bytes[i] = before;
    }
  }
}

std::string unpacked_snappy(std::string_view packed, std::size_t size) {
  std::string text(size, '\0');
  unpack_snappy(packed, text);
  return text;
}

TEST(ParquetSnappy, RepeatsWhatWasBeforeIt) {
  EXPECT_EQ(unpacked_snappy("\x00"sv, 0), "");
  EXPECT_EQ(unpacked_snappy("\x03\x08"
                            "abc"sv,
                            3),
            "abc");
  // Three literals, and 7 bytes from 3 before: the source overlaps the result.
  EXPECT_EQ(unpacked_snappy("\x0a\x08"
                            "abc\x0d\x03"sv,
                            10),
            "abcabcabca");
  EXPECT_EQ(unpacked_snappy("\x05\x00"
                            "a\x0e\x01\x00"sv,
                            5),
            "aaaaa");
  EXPECT_EQ(unpacked_snappy("\x03\x00"
                            "a\x07\x01\x00\x00\x00"sv,
                            3),
            "aaa");
}

TEST(ParquetSnappy, RefusesDamagedBytes) {
  const std::vector<std::pair<std::string_view, std::size_t>> damaged = {
      {""sv, 0},
      {"\x03\x08"
       "ab"sv,
       3},  // the literal is cut
      {"\x03\x04"
       "ab"sv,
       3},  // too few bytes
      {"\x02\x08"
       "abc"sv,
       2},  // too many bytes
      {"\x03\x08"
       "abc"sv,
       4},  // another size than asked for
      {"\x05\x00"
       "a\x0e\x02\x00"sv,
       5},  // from before the beginning
      {"\x05\x00"
       "a\x0e\x00\x00"sv,
       5},  // from nowhere
      {"\xff\xff\xff\xff\xff\x01"sv, 5},
      {"\x05\xfc\xff\xff\xff\xff"sv, 5},
  };
  for (const auto& [packed, size] : damaged)
    EXPECT_THROW(unpacked_snappy(packed, size), DataError) << testing::PrintToString(packed);
}

TEST(ParquetPages, ThatUnpackToFarMoreThanTheirSizeAreRefused) {
  std::string packed(ZSTD_compressBound(2 * kMostPlainPage), '\0');
  const std::string zeros(static_cast<std::size_t>(2 * kMostPlainPage), '\0');
  packed.resize(ZSTD_compress(packed.data(), packed.size(), zeros.data(), zeros.size(), 1));
  std::string page;
  EXPECT_THAT(complaint([&] { unpack_page(Codec::zstd, packed, 2 * kMostPlainPage, page); }),
              HasSubstr("more than 200 times its size"));
  EXPECT_THAT(complaint([&] { unpack_page(Codec::snappy, packed, kMostPage + 1, page); }),
              HasSubstr("at most 1024 MiB are read"));
  EXPECT_THAT(complaint([&] { unpack_page(Codec::zstd, packed, 7, page); }), HasSubstr("7 bytes"));
  EXPECT_THAT(complaint([&] { unpack_page(Codec::gzip, packed, 7, page); }), HasSubstr("7 bytes"));
  EXPECT_EQ(page.capacity() < 1'000, true);
}

std::vector<uint32_t> numbers(std::string_view bytes, int bits, int count) {
  RunReader reader(bytes, bits);
  std::vector<uint32_t> values;
  for (int i = 0; i < count; ++i) values.push_back(reader.next());
  return values;
}

TEST(ParquetRuns, AreRepeatedOrPackedNumbers) {
  EXPECT_THAT(numbers("\x08\x07"sv, 3, 4), ElementsAre(7, 7, 7, 7));
  EXPECT_THAT(numbers("\x04\x39\x30\x00"sv, 17, 2), ElementsAre(12345, 12345));
  // The example of the format's documentation: 0 to 7 in 3 bits each.
  EXPECT_THAT(numbers("\x03\x88\xc6\xfa"sv, 3, 8), ElementsAre(0, 1, 2, 3, 4, 5, 6, 7));
  EXPECT_THAT(numbers("\x03\x88\xc6\xfa\x02\x05"sv, 3, 9), ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 5));
  EXPECT_THAT(numbers("\x03"sv, 0, 8), testing::Each(0));
  EXPECT_THROW(numbers("\x08\x07"sv, 3, 5), DataError);
  EXPECT_THROW(numbers("\x08"sv, 3, 1), DataError);
  EXPECT_THROW(numbers("\xff\xff\xff\xff\xff\xff"sv, 3, 1), DataError);
}

TEST(ParquetDescriptions, DoNotNestWithoutLimit) {
  EXPECT_THAT(complaint([] {
                const std::string bytes(100'000, '\x1c');
                ThriftReader(bytes).skip(ThriftReader::Type::structure);
              }),
              HasSubstr("more than 32 levels"));
}

// A file with one column "text" of `rows` rows whose only value, of `text` bytes, is in a
// dictionary.
std::string repeated_rows(int rows, int text_bytes) {
  const auto number = [](int64_t value) {
    std::string bytes;
    for (auto rest = static_cast<uint64_t>(value);; rest >>= 7) {
      bytes += static_cast<char>((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
      if (rest <= 0x7f) return bytes;
    }
  };
  const auto signed_number = [&](int64_t value) { return number(2 * value); };
  const auto fixed = [](uint32_t value) { return std::string(reinterpret_cast<char*>(&value), 4); };
  const auto page = [&](int type, const std::string& body, int field, int values, int encoding) {
    std::string head = "\x15"s + signed_number(type) + "\x15" + signed_number(std::ssize(body)) +
                       "\x15" + signed_number(std::ssize(body));
    head += static_cast<char>((field - 3) << 4 | 0xc);  // a structure
    head += "\x15" + signed_number(values) + "\x15" + signed_number(encoding) + "\x15" +
            signed_number(3) + "\x15" + signed_number(3) + "\0\0"s;
    return head + body;
  };
  std::string file = "PAR1";
  file += page(2,
               fixed(static_cast<uint32_t>(text_bytes)) +
                   std::string(static_cast<std::size_t>(text_bytes), 'a'),
               7, 1, 0);
  const auto data = std::ssize(file);
  file += page(0, "\x01"s + number(2 * int64_t{rows}) + '\0', 5, rows, 8);
  const auto end = std::ssize(file);
  const std::string chunk = "\x26" + signed_number(4) + "\x1c" + "\x15" + signed_number(6) +
                            "\x29\x18\x04text"s + "\x15" + signed_number(0) + "\x16" +
                            signed_number(rows) + "\x26" + signed_number(end - 4) + "\x26" +
                            signed_number(data) + "\x26" + signed_number(4) + "\0\0"s;
  std::string footer = "\x15\x04\x19\x2c\x48\x04root\x15\x02\0\x15\x0c\x25\0\x18\x04text\0"s;
  footer += "\x16" + signed_number(rows) + "\x19\x1c\x19\x1c" + chunk + "\x16" +
            signed_number(end - 4) + "\x16" + signed_number(rows) + "\0\0"s;
  return file + footer + fixed(static_cast<uint32_t>(footer.size())) + "PAR1";
}

TEST(DamagedParquet, WithFarMoreTextThanBytesIsRefused) {
  const auto [rows, failed] = readable_rows(repeated_rows(3, 5));
  EXPECT_THAT(rows, ElementsAre("aaaaa", "aaaaa", "aaaaa"));
  EXPECT_EQ(failed, 0);
  EXPECT_THAT(failure(repeated_rows(2'000'000, 100)), HasSubstr("more than 200 times the bytes"));
  EXPECT_EQ(failure(repeated_rows(600'000, 100)), "no error");
}

}  // namespace
}  // namespace ripieno::io::parquet
