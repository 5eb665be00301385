#include "ripieno/tools/prepare/documents.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <vector>

#include "ripieno/core/error.h"

namespace ripieno::tools {
namespace {

// visit_line(line, number) for each line that is not only white space.
template <typename Visit>
void visit_lines(const TextChunk& chunk, const Visit& visit_line) {
  std::string_view lines = chunk.bytes;
  for (int64_t number = chunk.first_line; !lines.empty(); ++number) {
    const std::size_t end = std::min(lines.find('\n'), lines.size());
    const std::string_view line = lines.substr(0, end);
    lines.remove_prefix(std::min(end + 1, lines.size()));
    if (line.find_first_not_of(" \t\r\n") != line.npos) visit_line(line, number);
  }
}

// visit_row(values, number) for each row.
template <typename Visit>
void visit_rows(const TextChunk& chunk, const Visit& visit_row) {
  std::vector<std::string_view> values;
  std::size_t begin = 0;
  for (const TextChunk::Row& row : chunk.rows) {
    values.clear();
    for (const std::size_t end : row.ends) {
      values.push_back(std::string_view(chunk.bytes).substr(begin, end - begin));
      begin = end;
    }
    visit_row(values, row.number);
  }
}

void read_line(const TextChunk& chunk, std::string_view line, int64_t number,
               const io::DocumentFields& fields, io::MarkedText& document) {
  require_text(chunk, line, number);
  try {
    fields.read_json(line, document);
  } catch (const DataError& error) {
    throw DataError(fmt::format("{}: line {} {}", chunk.input.path, number, error.what()));
  }
}

void read_row(const TextChunk& chunk, const std::vector<std::string_view>& values, int64_t number,
              const io::DocumentFields& fields, io::MarkedText& document) {
  for (const std::string_view value : values) {
    if (value.find('\0') == value.npos) continue;
    throw DataError(
        fmt::format("{}: row {} has a NUL byte; text must not have any", chunk.input.path, number));
  }
  fields.read(values, document);
}

}  // namespace

void require_text(const TextChunk& chunk, std::string_view text, int64_t first_line) {
  const auto nul = std::find(text.begin(), text.end(), '\0');
  if (nul == text.end()) return;
  throw DataError(fmt::format("{}: line {} has a NUL byte; text must not have any",
                              chunk.input.path, first_line + std::count(text.begin(), nul, '\n')));
}

void visit_documents(const TextChunk& chunk, const io::DocumentFields& fields,
                     io::OnDataError on_error, io::SkippedData& skipped,
                     const std::function<void(const io::MarkedText&)>& visit) {
  io::MarkedText document;
  const auto visit_read = [&](const auto& read) {
    try {
      read();
    } catch (const DataError& error) {
      if (on_error == io::OnDataError::stop) throw;
      return skipped.add(1, error.what());
    }
    visit(document);
  };
  if (chunk.input.format == io::DataFormat::parquet) {
    visit_rows(chunk, [&](const auto& values, int64_t number) {
      visit_read([&] { read_row(chunk, values, number, fields, document); });
    });
    return;
  }
  visit_lines(chunk, [&](std::string_view line, int64_t number) {
    visit_read([&] { read_line(chunk, line, number, fields, document); });
  });
}

}  // namespace ripieno::tools
