// DataFormat: the formats of files with tokens or text (docs/data_formats.md).
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace ripieno::io {

enum class DataFormat {
  automatic,  // recognized by how the file begins, else by its name
  ripieno,    // our token file (docs/token_file_format.md)
  llmc,       // llm.c's token file
  nanogpt,    // uint16 tokens without a header; never recognized automatically
  megatron,   // tokens in STEM.bin, their documents in STEM.idx
  text,       // UTF-8 text, also compressed by gzip or Zstandard
  jsonl,      // a JSON object per line, with texts in its fields; also compressed
  parquet,    // a row per document, with texts in its columns
};

// As in data.format: {"auto", DataFormat::automatic}, …
const std::vector<std::pair<std::string, DataFormat>>& data_formats();
std::string name_of(DataFormat format);

// The format of a file: of a Megatron pair by any of its names. Throws DataError, which says what
// was found and which formats are known, if it is none of them; StorageError.
DataFormat recognize_format(const std::string& path);

}  // namespace ripieno::io
