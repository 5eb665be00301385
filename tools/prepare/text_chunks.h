// TextChunks: cuts text files into chunks that can be encoded independently of each other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ripieno/io/data/data_format.h"
#include "ripieno/io/data/data_policy.h"
#include "ripieno/io/data/readers/document_fields.h"
#include "ripieno/io/data/readers/parquet_rows.h"
#include "ripieno/io/data/readers/text_stream.h"
#include "ripieno/io/data/tokenizer.h"

namespace ripieno::tools {

// A file of format text, jsonl or parquet.
struct TextInput {
  std::string path;
  io::DataFormat format;
};

// Whole lines of JSON, whole rows of Parquet, whole documents, or a part of a document that is cut
// between two tokens.
struct TextChunk {
  // A row of Parquet: its values are one after the other in `bytes`, up to these positions.
  struct Row {
    int64_t number;  // from 0
    std::vector<std::size_t> ends;
  };

  int64_t number = 0;  // from 0, over all inputs
  TextInput input;
  int64_t first_line = 1;
  std::string bytes = {};
  bool ends_file = false;
  std::vector<Row> rows = {};
  io::SkippedData skipped = {};  // rows and rests of files that could not be read
};

struct ChunkSizes {
  std::size_t chunk = 4 << 20;  // bytes per chunk, unless a line or document is larger
  std::size_t most = 64 << 20;  // bytes of the largest line or document
};

// The chunks depend on the constructor's arguments and the files only. Used by one thread at a
// time.
class TextChunks {
 public:
  // `separator`: the text between two documents of a text file; empty: each file is a document,
  // which may have any size. `fields`: of Parquet files. The tokenizer must outlive this object.
  // Throws StorageError.
  TextChunks(std::vector<TextInput> inputs, const io::Tokenizer& tokenizer, std::string separator,
             ChunkSizes sizes = {}, io::DocumentFields fields = {},
             io::OnDataError on_error = io::OnDataError::stop);

  // The next chunk, nullopt at the end. An empty file has none. Throws DataError if a file is
  // damaged or not text, or a line or document is larger than ChunkSizes::most; StorageError. With
  // OnDataError::skip, such rows, or the rest of such a file, are left out instead.
  std::optional<TextChunk> next();

  int64_t total_bytes() const { return total_bytes_; }  // of all files, as they are stored
  int64_t position() const;                             // how many of them were read

 private:
  std::optional<TextChunk> next_rows();
  std::optional<TextChunk> next_part();
  std::optional<TextChunk> without_rest(const std::string& why);
  bool open_file(bool& has_more);
  void close_file();
  bool read_more();
  std::optional<std::size_t> last_end(std::size_t least) const;
  std::size_t end_of_chunk(bool& has_more);

  std::vector<TextInput> inputs_;
  const io::Tokenizer& tokenizer_;
  std::string separator_;
  ChunkSizes sizes_;
  std::size_t index_ = 0;  // of the current file
  io::DocumentFields fields_;
  io::OnDataError on_error_;
  std::unique_ptr<io::TextStream> stream_;  // null before the first read of a file
  std::unique_ptr<io::ParquetRows> rows_;   // the same of a Parquet file
  int64_t number_ = 0;
  int64_t line_ = 1;
  std::string rest_;  // read, but not in a chunk yet
  int64_t total_bytes_ = 0;
  int64_t bytes_before_ = 0;  // of the files before the current one
};

}  // namespace ripieno::tools
