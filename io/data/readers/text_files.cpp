#include "ripieno/io/data/readers/text_files.h"

#include <fmt/format.h>

#include <algorithm>

#include "ripieno/core/error.h"
#include "ripieno/io/data/readers/parquet_rows.h"
#include "ripieno/io/data/readers/text_stream.h"
#include "ripieno/io/data/text_check.h"

namespace ripieno::io {
namespace {

void require_room(const std::string& path, const MarkedText& text, std::size_t bytes) {
  if (static_cast<int64_t>(text.text().size() + bytes) <= kMostTextInMemory) return;
  throw ConfigurationError(fmt::format(
      "{}: more than {} GiB of text, which is read into memory; make a token file of it with "
      "ripieno prepare",
      path, kMostTextInMemory >> 30));
}

std::string read_all(const std::string& path, DataFormat format, const MarkedText& text) {
  constexpr std::size_t kPart = 1 << 22;
  TextStream stream(path);
  std::string bytes;
  for (std::size_t got = kPart; got == kPart;) {
    const std::size_t before = bytes.size();
    bytes.resize(before + kPart);
    got = stream.read(std::span(bytes).subspan(before));
    bytes.resize(before + got);
    require_room(path, text, bytes.size());
  }
  // A line of JSON is checked when it is parsed, so that it can be left out alone.
  const std::string_view checked =
      format == DataFormat::jsonl ? beginning_of_lines(bytes) : std::string_view(bytes);
  if (const auto what = describe_non_text(checked); !what.empty())
    throw DataError(path + " " + what);
  return bytes;
}

// Appends a file to a text, document by document.
class Documents {
 public:
  Documents(const std::string& path, const TextReading& reading, MarkedText& text,
            SkippedData& skipped)
      : path_(path), reading_(reading), text_(text), skipped_(skipped) {}

  void add_lines(std::string_view lines) {
    if (lines.starts_with(kByteOrderMark)) lines.remove_prefix(kByteOrderMark.size());
    for (int64_t number = 1; !lines.empty(); ++number) {
      const std::size_t end = std::min(lines.find('\n'), lines.size());
      const std::string_view line = lines.substr(0, end);
      lines.remove_prefix(std::min(end + 1, lines.size()));
      if (line.find_first_not_of(" \t\r") != line.npos) add_line(line, number);
    }
  }

  void add_rows() {
    ParquetRows rows(path_, reading_.fields);
    std::vector<std::string_view> values;
    for (bool has_more = true; has_more;) {
      try {
        has_more = rows.next(values);
        if (!has_more) break;
        reading_.fields.read(values, document_);
        add_document();
      } catch (const DataError& error) {
        if (reading_.on_error == OnDataError::stop) throw;
        skipped_.add(rows.skip_failed(), error.what());
      }
    }
  }

 private:
  void add_line(std::string_view line, int64_t number) {
    try {
      reading_.fields.read_json(line, document_);
    } catch (const DataError& error) {
      const std::string why = fmt::format("{}: line {} {}", path_, number, error.what());
      if (reading_.on_error == OnDataError::stop) throw DataError(why);
      return skipped_.add(1, why);
    }
    add_document();
  }

  void add_document() {
    require_room(path_, text_, document_.text().size());
    text_.add(document_);
    text_.add(reading_.separator, true);
  }

  const std::string& path_;
  const TextReading& reading_;
  MarkedText& text_;
  SkippedData& skipped_;
  MarkedText document_;
};

void read(const std::string& path, DataFormat format, const TextReading& reading, MarkedText& text,
          SkippedData& skipped) {
  Documents documents(path, reading, text, skipped);
  if (format == DataFormat::parquet) return documents.add_rows();
  const std::string bytes = read_all(path, format, text);
  if (format == DataFormat::jsonl)
    documents.add_lines(bytes);
  else
    text.add(bytes, true);
}

}  // namespace

void read_text_file(const std::string& path, DataFormat format, const TextReading& reading,
                    MarkedText& text, SkippedData& skipped) {
  if (reading.on_error == OnDataError::stop) return read(path, format, reading, text, skipped);
  try {
    read(path, format, reading, text, skipped);
  } catch (const DataError& error) {
    skipped.add(1, error.what());
  } catch (const StorageError& error) {
    skipped.add(1, error.what());
  }
}

}  // namespace ripieno::io
