#include "ripieno/io/data/readers/text_files.h"

#include <fmt/format.h>

#include <algorithm>

#include "ripieno/core/error.h"
#include "ripieno/io/data/readers/json_line.h"
#include "ripieno/io/data/readers/text_stream.h"
#include "ripieno/io/data/text_check.h"

namespace ripieno::io {
namespace {

std::string read_all(const std::string& path, int64_t most) {
  constexpr std::size_t kPart = 1 << 22;
  TextStream stream(path);
  std::string bytes;
  for (std::size_t got = kPart; got == kPart;) {
    const std::size_t before = bytes.size();
    bytes.resize(before + kPart);
    got = stream.read(std::span(bytes).subspan(before));
    bytes.resize(before + got);
    if (static_cast<int64_t>(bytes.size()) > most) {
      throw DataError(fmt::format(
          "{}: more than {} GiB of text, which is read into memory; use files of tokens", path,
          kMostTextInMemory >> 30));
    }
  }
  return bytes;
}

void append_documents(const std::string& path, std::string_view lines, const std::string& field,
                      const std::string& separator, std::string& text) {
  std::string document;
  int64_t number = 0;
  while (!lines.empty()) {
    const std::size_t end = std::min(lines.find('\n'), lines.size());
    const std::string_view line = lines.substr(0, end);
    lines.remove_prefix(std::min(end + 1, lines.size()));
    ++number;
    if (line.find_first_not_of(" \t\r") == line.npos) continue;
    try {
      read_json_field(line, field, document);
    } catch (const DataError& error) {
      throw DataError(fmt::format("{}: line {} {}", path, number, error.what()));
    }
    text.append(document).append(separator);
  }
}

}  // namespace

void read_text_file(const std::string& path, DataFormat format, const std::string& field,
                    const std::string& separator, std::string& text) {
  const std::string bytes = read_all(path, kMostTextInMemory - static_cast<int64_t>(text.size()));
  if (const auto what = describe_non_text(bytes); !what.empty()) throw DataError(path + " " + what);
  if (format == DataFormat::jsonl)
    append_documents(path, bytes, field, separator, text);
  else
    text += bytes;
}

}  // namespace ripieno::io
