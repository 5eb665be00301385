#include "ripieno/tools/prepare/encoder.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "ripieno/core/error.h"
#include "ripieno/io/data/readers/token_file.h"
#include "ripieno/io/files/hash.h"
#include "ripieno/tools/prepare/documents.h"

namespace ripieno::tools {
namespace {

constexpr std::string_view kWhite = " \t\r\n";

}  // namespace

ChunkEncoder::ChunkEncoder(const io::Tokenizer& tokenizer, EncoderOptions options)
    : tokenizer_(tokenizer),
      options_(std::move(options)),
      token_bytes_(io::token_bytes_for(tokenizer.vocabulary_size(), options_.has_marks())) {}

EncodedChunk ChunkEncoder::encode(const TextChunk& chunk) const {
  EncodedChunk out;
  out.skipped = chunk.skipped;
  if (chunk.input.format != io::DataFormat::text) {
    visit_documents(chunk, options_.fields, options_.on_error, out.skipped,
                    [&](const io::MarkedText& document) { add(document, true, out); });
    return out;
  }
  try {
    require_text(chunk, chunk.bytes, chunk.first_line);
  } catch (const DataError& error) {
    if (options_.on_error == io::OnDataError::stop) throw;
    out.skipped.add(1, error.what());
    return out;
  }
  if (!options_.separator.empty())
    add_separated(chunk.bytes, out);
  else
    add(chunk.bytes, chunk.ends_file, out);
  return out;
}

void ChunkEncoder::add(std::string_view text, bool ends_document, EncodedChunk& out) const {
  io::MarkedText document;
  document.add(text, true);
  add(document, ends_document, out);
}

void ChunkEncoder::add(const io::MarkedText& document, bool ends_document,
                       EncodedChunk& out) const {
  constexpr double kHashes = 18446744073709551616.0;  // 2^64
  const bool validates =
      options_.validation_share > 0 &&
      static_cast<double>(io::hash_of(document.text())) < options_.validation_share * kHashes;
  std::vector<std::byte>& bytes = validates ? out.validation : out.train;
  io::append_tokens(document.encode(tokenizer_, options_.special), token_bytes_, bytes);
  if (!ends_document) return;
  ++out.documents;
  if (options_.end_of_document)
    io::append_tokens(std::array{*options_.end_of_document}, token_bytes_, bytes);
}

// Without documents that are only white space, such as what follows the last separator.
void ChunkEncoder::add_separated(std::string_view text, EncodedChunk& out) const {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(options_.separator), text.size());
    const std::string_view document = text.substr(0, end);
    if (document.find_first_not_of(kWhite) != document.npos) add(document, true, out);
    text.remove_prefix(std::min(end + options_.separator.size(), text.size()));
  }
}

}  // namespace ripieno::tools
