#include <algorithm>
#include <span>
#include <string>
#include <vector>

#include "fuzz/parsers.h"
#include "ripieno/core/error.h"
#include "ripieno/io/data/tokenizers/byte_pair_tokenizer.h"
#include "ripieno/io/data/tokenizers/definition_files.h"

namespace ripieno::fuzz {
namespace {

// Adds the single bytes that are missing, so that small files reach the encoder.
void complete(io::TokenizerDefinition& definition) {
  for (int byte = 0; byte < 256; ++byte) {
    const std::string token(1, static_cast<char>(byte));
    auto& tokens = definition.tokens;
    if (std::find(tokens.begin(), tokens.end(), token) == tokens.end()) tokens.push_back(token);
  }
}

void require_same_as_merging(const io::TokenizerDefinition& definition, std::string_view text) {
  const io::BytePairModel model(definition.tokens, definition.rules, false);
  std::vector<int32_t> found, merged;
  const std::size_t size = text.size();
  model.encode(text.data(), std::span(&size, 1), found);
  model.encode_by_merging(text, merged);
  require(found == merged, "the tokens of a piece are those that merging gives");
}

void require_round_trip(const io::BytePairTokenizer& tokenizer, std::string_view text) {
  std::vector<int32_t> tokens;
  tokenizer.encode(text, true, tokens);
  std::string decoded;
  for (const int32_t token : tokens) decoded += tokenizer.bytes_of(token);
  require(decoded == text, "decoding gives the text that was encoded");
  std::vector<int32_t> parts;
  const std::size_t cut = tokenizer.last_cut(text, 0).value_or(0);
  tokenizer.encode(text.substr(0, cut), true, parts);
  tokenizer.encode(text.substr(cut), true, parts);
  require(parts == tokens, "a cut does not change the tokens");
}

template <typename Parse>
bool read(std::string_view bytes, const Parse& parse) {
  try {
    io::TokenizerDefinition definition = parse();
    complete(definition);
    const std::string_view text = bytes.substr(0, 1000);
    if (!text.empty()) require_same_as_merging(definition, text);
    const io::BytePairTokenizer tokenizer(std::move(definition));
    if (!tokenizer.definition().has_nfc) require_round_trip(tokenizer, text);
    return true;
  } catch (const DataError&) {
    return false;
  }
}

}  // namespace

bool parse_tokenizer(std::string_view bytes) {
  const std::size_t end = std::min(bytes.find('\0'), bytes.size());
  const std::string_view rest = bytes.substr(std::min(end + 1, bytes.size()));
  bool accepted = read(bytes, [&] { return io::parse_tokenizer_json(bytes); });
  accepted |= read(bytes, [&] { return io::parse_tiktoken(bytes, "o200k"); });
  accepted |=
      read(bytes, [&] { return io::parse_vocabulary_and_merges(bytes.substr(0, end), rest); });
  return accepted;
}

}  // namespace ripieno::fuzz
