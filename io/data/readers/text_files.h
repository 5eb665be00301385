// Whole text files in memory, for data sets that are small enough to be encoded when a run starts.
#pragma once

#include <string>

#include "ripieno/io/data/data_format.h"
#include "ripieno/io/data/data_policy.h"
#include "ripieno/io/data/readers/document_fields.h"
#include "ripieno/io/data/readers/marked_text.h"

namespace ripieno::io {

// The most bytes of text that are read into memory.
inline constexpr int64_t kMostTextInMemory = int64_t{16} << 30;

inline constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

struct TextReading {
  DocumentFields fields = {};
  std::string separator = "\n";  // after each document of JSON lines and Parquet
  OnDataError on_error = OnDataError::stop;
};

// Appends the text of a file of format text, jsonl or parquet to `text`. Throws DataError, naming
// the file (and the line or row), if it is not text, is damaged, or `text` would have more than
// kMostTextInMemory bytes; StorageError. With OnDataError::skip, lines and rows that cannot be read
// are left out, and so is a file that cannot be read at all.
void read_text_file(const std::string& path, DataFormat format, const TextReading& reading,
                    MarkedText& text, SkippedData& skipped);

}  // namespace ripieno::io
