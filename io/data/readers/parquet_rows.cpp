#include "ripieno/io/data/readers/parquet_rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "ripieno/core/error.h"
#include "ripieno/io/files/utf8.h"

namespace ripieno::io {
namespace {

bool is_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    if (static_cast<unsigned char>(text[at]) < 0x80) {
      ++at;
      continue;
    }
    try {
      next_character(text, at);
    } catch (const DataError&) {
      return false;
    }
  }
  return true;
}

}  // namespace

bool is_parquet(std::string_view beginning) { return beginning.starts_with(parquet::kMagic); }

ParquetRows::ParquetRows(const std::string& path, const DocumentFields& fields) : path_(path) {
  if (fields.content == TextContent::messages) {
    throw ConfigurationError(
        path +
        ": messages are read from JSON lines only, since in Parquet their column is nested; write "
        "the data set as JSON lines");
  }
  const std::shared_ptr<const ReadableFile> file = local_files().open(path);
  for (const std::string& name : fields.names()) columns_.emplace_back(file, path, name);
}

// The next row of all columns. If that fails, all are at the first row that is lost.
bool ParquetRows::next_row(std::vector<std::string_view>& values, bool& has_null) {
  values.clear();
  for (parquet::TextColumn& column : columns_) {
    std::optional<std::string_view> value;
    if (!column.next(value)) return false;
    has_null |= !value;
    values.push_back(value.value_or(std::string_view()));
  }
  ++row_;
  return true;
}

bool ParquetRows::next(std::vector<std::string_view>& values) {
  for (bool has_null = true; has_null;) {
    has_null = false;
    if (!next_row(values, has_null)) return false;
  }
  if (std::all_of(values.begin(), values.end(), is_utf8)) return true;
  throw DataError(fmt::format("{}: row {} is not valid UTF-8", path_, row_));
}

int64_t ParquetRows::skip_failed() {
  const int64_t before = row_ + 1;
  int64_t after = before;
  for (const parquet::TextColumn& column : columns_)
    after = std::max(after, column.row() + column.failed_rows());
  for (parquet::TextColumn& column : columns_) column.skip(after - column.row());
  row_ = after - 1;
  return std::max<int64_t>(1, after - before);
}

int64_t ParquetRows::bytes() const {
  int64_t bytes = 0;
  for (const parquet::TextColumn& column : columns_) bytes += column.bytes();
  return bytes;
}

int64_t ParquetRows::position() const {
  int64_t bytes = 0;
  for (const parquet::TextColumn& column : columns_) bytes += column.position();
  return bytes;
}

}  // namespace ripieno::io
