#include <optional>

#include "fuzz/memory_file.h"
#include "fuzz/parsers.h"
#include "ripieno/core/error.h"
#include "ripieno/io/formats/parquet/text_column.h"

namespace ripieno::fuzz {

bool parse_parquet(std::string_view bytes) {
  const MemoryFile file(bytes);
  try {
    io::parquet::TextColumn column(io::local_files().open(file.path()), file.path(), "text");
    bool is_whole = true;
    std::optional<std::string_view> value;
    for (bool has_more = true; has_more;) {
      try {
        has_more = column.next(value);
      } catch (const DataError&) {
        is_whole = false;
        require(column.failed_rows() > 0, "a failure loses a row");
        column.skip(column.failed_rows());
      }
    }
    require(column.row() == column.rows(), "every row is read or lost");
    return is_whole;
  } catch (const DataError&) {
    return false;
  }
}

}  // namespace ripieno::fuzz
