#include "ripieno/tools/prepare/encoder.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "ripieno/core/error.h"
#include "ripieno/io/data/readers/json_line.h"
#include "ripieno/io/data/readers/token_file.h"
#include "ripieno/io/files/hash.h"

namespace ripieno::tools {
namespace {

constexpr std::string_view kWhite = " \t\r\n";

void require_text(const TextChunk& chunk) {
  const auto nul = std::find(chunk.bytes.begin(), chunk.bytes.end(), '\0');
  if (nul == chunk.bytes.end()) return;
  throw DataError(fmt::format("{}: line {} has a NUL byte; text must not have any",
                              chunk.input.path,
                              chunk.first_line + std::count(chunk.bytes.begin(), nul, '\n')));
}

}  // namespace

ChunkEncoder::ChunkEncoder(const io::Tokenizer& tokenizer, EncoderOptions options)
    : tokenizer_(tokenizer),
      options_(std::move(options)),
      token_bytes_(io::token_bytes_for(tokenizer.vocabulary_size())) {}

EncodedChunk ChunkEncoder::encode(const TextChunk& chunk) const {
  require_text(chunk);
  EncodedChunk out;
  if (chunk.input.format == io::DataFormat::jsonl)
    add_lines(chunk, out);
  else if (!options_.separator.empty())
    add_separated(chunk.bytes, out);
  else
    add(chunk.bytes, chunk.ends_file, out);
  return out;
}

void ChunkEncoder::add(std::string_view text, bool ends_document, EncodedChunk& out) const {
  constexpr double kHashes = 18446744073709551616.0;  // 2^64
  const bool validates = options_.validation_share > 0 && static_cast<double>(io::hash_of(text)) <
                                                              options_.validation_share * kHashes;
  std::vector<std::byte>& bytes = validates ? out.validation : out.train;
  io::append_tokens(tokenizer_.encode(text, options_.special), token_bytes_, bytes);
  if (!ends_document) return;
  ++out.documents;
  if (options_.end_of_document)
    io::append_tokens(std::array{*options_.end_of_document}, token_bytes_, bytes);
}

void ChunkEncoder::add_lines(const TextChunk& chunk, EncodedChunk& out) const {
  std::string text;
  std::string_view lines = chunk.bytes;
  for (int64_t number = chunk.first_line; !lines.empty(); ++number) {
    const std::size_t end = std::min(lines.find('\n'), lines.size());
    const std::string_view line = lines.substr(0, end);
    lines.remove_prefix(std::min(end + 1, lines.size()));
    if (line.find_first_not_of(kWhite) == line.npos) continue;
    try {
      io::read_json_field(line, options_.text_field, text);
    } catch (const DataError& error) {
      throw DataError(fmt::format("{}: line {} {}", chunk.input.path, number, error.what()));
    }
    add(text, true, out);
  }
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
