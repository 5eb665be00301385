// Whole text files in memory, for data sets that are small enough to be encoded when a run starts.
#pragma once

#include <string>
#include <vector>

#include "ripieno/io/data/data_format.h"

namespace ripieno::io {

// The most bytes of text that are read into memory.
inline constexpr int64_t kMostTextInMemory = int64_t{16} << 30;

// Appends the text of a file of format text or jsonl to `text`; of JSON lines, `separator` after
// each document. Throws DataError, naming the file (and the line), if it is not text, is damaged,
// or `text` would have more than kMostTextInMemory bytes; StorageError.
void read_text_file(const std::string& path, DataFormat format, const std::string& field,
                    const std::string& separator, std::string& text);

}  // namespace ripieno::io
