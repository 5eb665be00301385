// ParquetRows: the strings in one or two columns of a Parquet file, row by row.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ripieno/io/data/readers/document_fields.h"
#include "ripieno/io/formats/parquet/text_column.h"

namespace ripieno::io {

bool is_parquet(std::string_view beginning);

// Used by one thread at a time.
class ParquetRows {
 public:
  // Throws DataError, naming the file, if it is damaged or a column is missing or not of strings,
  // ConfigurationError if the fields are messages; StorageError.
  ParquetRows(const std::string& path, const DocumentFields& fields);

  // Sets `values` to those of the next row without a null in these columns, valid until the next
  // call. Returns false at the end. Throws DataError, naming file and row, if it is damaged or not
  // UTF-8; then skip_failed() returns the number of rows that are lost, and goes on behind them.
  bool next(std::vector<std::string_view>& values);
  int64_t skip_failed();

  // That next() returned last, from 0.
  int64_t row() const { return row_; }
  // Bytes of the columns in the file, and how many of them were read.
  int64_t bytes() const;
  int64_t position() const;

 private:
  bool next_row(std::vector<std::string_view>& values, bool& has_null);

  std::string path_;
  std::vector<parquet::TextColumn> columns_;
  int64_t row_ = -1;
};

}  // namespace ripieno::io
