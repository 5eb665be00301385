// TextColumn: the strings in one column of a Parquet file, row by row, in bounded memory.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ripieno/io/files/file_system.h"
#include "ripieno/io/formats/parquet/footer.h"
#include "ripieno/io/formats/parquet/run_reader.h"

namespace ripieno::io::parquet {

// Used by one thread at a time. Errors are DataErrors with the name of the file.
class TextColumn {
 public:
  // Reads the footer. `file` is shared, so that several columns can be read from it. Throws
  // DataError if the footer is damaged or the column is missing or not of strings, StorageError.
  TextColumn(std::shared_ptr<const ReadableFile> file, std::string path, std::string name);

  int64_t rows() const { return rows_; }
  int64_t row() const { return row_; }  // that next() reads
  // Bytes of the column in the file, and how many of them were read.
  int64_t bytes() const { return bytes_; }
  int64_t position() const { return position_; }

  // Sets `value` to that of the next row, nullopt if it is null; valid until the next call. Returns
  // false at the end. Throws DataError if a page is damaged or refused, StorageError; then the
  // rows that cannot be read are the next failed_rows(), and skip() goes on behind them.
  bool next(std::optional<std::string_view>& value);
  int64_t failed_rows() const { return failure_.empty() ? 0 : rows_in_page_; }
  // Goes to a later row, or the end if there are fewer. Does not throw DataError.
  void skip(int64_t rows);

 private:
  struct PageHeader;

  bool open_page();
  void read_page();
  PageHeader read_header();
  void read_body(const PageHeader& header);
  void read_dictionary(const PageHeader& header);
  void start_values(const PageHeader& header);
  std::optional<std::string_view> read_value();
  void count(int64_t text_bytes);

  std::shared_ptr<const ReadableFile> file_;
  std::string path_;
  std::string name_;
  Column column_;
  int64_t rows_ = 0, row_ = 0, bytes_ = 0, position_ = 0;
  int64_t text_bytes_ = 0;  // that were returned, and one more per row

  // The current group of rows.
  std::size_t chunk_ = 0;      // of the next group
  int64_t at_ = 0, end_ = 0;   // of the next page in the file, and of the group
  int64_t rows_in_chunk_ = 0;  // that are not in a page yet
  Codec codec_ = Codec::uncompressed;
  std::string dictionary_page_;
  std::vector<std::string_view> dictionary_;

  // The current page.
  int64_t rows_in_page_ = 0;  // that are left
  std::string failure_;       // why they cannot be read; empty: they can
  std::string packed_, page_, levels_bytes_;
  RunReader levels_, indices_;
  bool has_indices_ = false;
  std::string_view values_;  // those that are not in a dictionary
};

}  // namespace ripieno::io::parquet
