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
  std::string text_field = "text";              // of JSON lines
  std::string separator = {};                   // as for TextChunks
  std::optional<int32_t> end_of_document = {};  // the token after each document; nullopt: none
  io::SpecialTokens special = io::SpecialTokens::recognized;
  // Of the documents, chosen by a hash of their text, so equal documents are on the same side.
  // Requires that chunks have whole documents.
  double validation_share = 0;
};

// The tokens of a chunk, as a token file stores them.
struct EncodedChunk {
  std::vector<std::byte> train, validation;
  int64_t documents = 0;
};

// Immutable and thread-safe.
class ChunkEncoder {
 public:
  // The tokenizer must outlive this object.
  ChunkEncoder(const io::Tokenizer& tokenizer, EncoderOptions options);

  // Throws DataError, naming file and line, if the chunk has a NUL byte or a line that is not JSON
  // with the text field.
  EncodedChunk encode(const TextChunk& chunk) const;

 private:
  void add(std::string_view text, bool ends_document, EncodedChunk& out) const;
  void add_lines(const TextChunk& chunk, EncodedChunk& out) const;
  void add_separated(std::string_view text, EncodedChunk& out) const;

  const io::Tokenizer& tokenizer_;
  EncoderOptions options_;
  uint32_t token_bytes_;
};

}  // namespace ripieno::tools
