// What the end of a Parquet file says about one of its columns.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ripieno/io/files/file_system.h"
#include "ripieno/io/formats/parquet/page_codec.h"

namespace ripieno::io::parquet {

// The first four bytes of a Parquet file, and its last ones.
inline constexpr std::string_view kMagic = "PAR1";

// The values of the column in one group of rows: adjacent pages, which are inside the file.
struct ColumnChunk {
  int64_t begin = 0;  // in the file
  int64_t bytes = 0;
  int64_t rows = 0;
  Codec codec = Codec::uncompressed;
};

struct Column {
  bool is_optional = false;  // may be null
  std::vector<ColumnChunk> chunks;
};

// Reads the footer and finds the column `name`, which must be a string in each row. Throws
// DataError, without the name of the file, if the footer is damaged or the column is missing,
// nested, of another type or compressed by an unknown method; StorageError.
Column read_column(const ReadableFile& file, const std::string& name);

// The names of all columns; of nested ones, that of the outermost. Throws as read_column().
std::vector<std::string> read_columns(const ReadableFile& file);

}  // namespace ripieno::io::parquet
