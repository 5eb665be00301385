#include "ripieno/io/data/tokenizers/byte_pair_tokenizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <numeric>

#include "ripieno/core/error.h"
#include "ripieno/io/data/tokenizers/unicode.h"

namespace ripieno::io {
namespace {

AddedTokens chosen(const TokenizerDefinition& definition, bool with_special, bool is_normalized) {
  std::vector<AddedToken> tokens;
  for (const AddedToken& token : definition.added) {
    // Without a normalizer, both texts are the same.
    const bool is_in_normalized = token.is_normalized && definition.has_nfc;
    if (is_in_normalized == is_normalized && (with_special || !token.is_special))
      tokens.push_back(token);
  }
  return AddedTokens(tokens);
}

std::vector<std::string> texts_of(const TokenizerDefinition& definition) {
  std::vector<std::string> texts = definition.tokens;
  const auto add = [&](const AddedToken& token) {
    if (token.id < 0 || token.id >= kMostTokens)
      throw DataError(fmt::format("tokenizer: id {} of token \"{}\" is outside 0 .. {}", token.id,
                                  token.text, kMostTokens - 1));
    const auto id = static_cast<std::size_t>(token.id);
    if (id >= texts.size()) texts.resize(id + 1);
    if (!texts[id].empty() && texts[id] != token.text)
      throw DataError(fmt::format("tokenizer: two tokens have id {}: \"{}\" and \"{}\"", id,
                                  texts[id], token.text));
    texts[id] = token.text;
  };
  std::for_each(definition.unreachable.begin(), definition.unreachable.end(), add);
  std::for_each(definition.added.begin(), definition.added.end(), add);
  return texts;
}

}  // namespace

BytePairTokenizer::BytePairTokenizer(TokenizerDefinition definition)
    : definition_(std::move(definition)),
      model_(definition_.tokens, definition_.rules, definition_.whole_pieces),
      all_{chosen(definition_, true, false), chosen(definition_, true, true)},
      ordinary_{chosen(definition_, false, false), chosen(definition_, false, true)},
      texts_(texts_of(definition_)) {}

std::optional<int32_t> BytePairTokenizer::added_token(std::string_view text) const {
  for (const AddedToken& token : definition_.added) {
    if (token.text == text) return token.id;
  }
  return std::nullopt;
}

void BytePairTokenizer::encode(std::string_view text, bool has_special_tokens,
                               std::vector<int32_t>& out) const {
  const Added& added = has_special_tokens ? all_ : ordinary_;
  const auto on_token = [&](int32_t token) { out.push_back(token); };
  const auto on_normal = [&](std::string_view part) {
    added.normalized.split(
        part, [&](std::string_view plain) { encode_pieces(plain, out); }, on_token);
  };
  const auto on_text = [&](std::string_view part) {
    if (definition_.has_nfc && unicode::may_need_nfc(part))
      on_normal(unicode::to_nfc(part));
    else
      on_normal(part);
  };
  added.raw.split(text, on_text, on_token);
}

void BytePairTokenizer::encode_pieces(std::string_view text, std::vector<int32_t>& out) const {
  PieceScanner scanner(*definition_.pattern, text);
  std::array<std::size_t, 256> lengths;
  const char* at = text.data();
  while (const std::size_t count = scanner.next(lengths)) {
    const auto pieces = std::span(lengths).first(count);
    model_.encode(at, pieces, out);
    at = std::accumulate(pieces.begin(), pieces.end(), at);
  }
}

std::string_view BytePairTokenizer::bytes_of(int32_t token) const {
  if (token < 0 || token >= vocabulary_size() || texts_[static_cast<std::size_t>(token)].empty()) {
    throw DataError(fmt::format("tokenizer: token {} is not one of the vocabulary of {} tokens",
                                token, vocabulary_size()));
  }
  return texts_[static_cast<std::size_t>(token)];
}

std::optional<std::size_t> BytePairTokenizer::last_cut(std::string_view text,
                                                       std::size_t least) const {
  // What follows the cut must be long enough to show every token that begins before it.
  const std::size_t margin = std::max({all_.raw.longest(), all_.normalized.longest(), 4ul});
  if (text.size() < margin) return std::nullopt;
  auto cut = io::last_cut(text, least, text.size() - margin);
  while (cut && (all_.raw.crosses(text, *cut) || all_.normalized.crosses(text, *cut)))
    cut = io::last_cut(text, least, *cut - 1);
  return cut;
}

}  // namespace ripieno::io
