// ChunkEncoder: encodes a chunk of text, document by document.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ripieno/io/data/tokenizer.h"
#include "ripieno/tools/prepare/text_chunks.h"

namespace ripieno::tools {

struct EncoderOptions {
  io::DocumentFields fields = {};               // of JSON lines and Parquet
  std::string separator = {};                   // as for TextChunks
  std::optional<int32_t> end_of_document = {};  // the token after each document; nullopt: none
  io::SpecialTokens special = io::SpecialTokens::recognized;
  // Of the documents, chosen by a hash of their text, so equal documents are on the same side.
  // Requires that chunks have whole documents.
  double validation_share = 0;
  io::OnDataError on_error = io::OnDataError::stop;

  // Whether there may be tokens that the loss does not count.
  bool has_marks() const { return fields.content != io::TextContent::text; }
};

// The tokens of a chunk, as a token file stores them.
struct EncodedChunk {
  std::vector<std::byte> train, validation;
  int64_t documents = 0;
  io::SkippedData skipped = {};
};

// Immutable and thread-safe.
class ChunkEncoder {
 public:
  // The tokenizer must outlive this object.
  ChunkEncoder(const io::Tokenizer& tokenizer, EncoderOptions options);

  // Throws DataError, naming file and line or row, if the chunk has a NUL byte or a line that is
  // not JSON with the fields. With OnDataError::skip, such documents are left out.
  EncodedChunk encode(const TextChunk& chunk) const;

 private:
  void add(const io::MarkedText& document, bool ends_document, EncodedChunk& out) const;
  void add(std::string_view text, bool ends_document, EncodedChunk& out) const;
  void add_separated(std::string_view text, EncodedChunk& out) const;

  const io::Tokenizer& tokenizer_;
  EncoderOptions options_;
  uint32_t token_bytes_;
};

}  // namespace ripieno::tools
