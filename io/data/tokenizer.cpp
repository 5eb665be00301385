#include "ripieno/io/data/tokenizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "ripieno/core/error.h"
#include "ripieno/io/data/tokenizers/byte_pair_tokenizer.h"
#include "ripieno/io/data/tokenizers/byte_pair_training.h"
#include "ripieno/io/data/tokenizers/definition_files.h"
#include "ripieno/io/files/file_system.h"
#include "ripieno/io/files/hash.h"
#include "ripieno/io/files/utf8.h"

namespace ripieno::io {
namespace {

constexpr char32_t kCharacters = 0x110000;  // number of Unicode code points

[[noreturn]] void outside(char32_t character, std::size_t size) {
  throw DataError(fmt::format("tokenizer: {} is not in the model's vocabulary of {} characters",
                              shown(character), size));
}

Tokenizer read_external(const nlohmann::json& description) {
  return Tokenizer::external(description.at("name").get<std::string>(),
                             description.at("vocabulary_size").get<int64_t>());
}

}  // namespace

Tokenizer Tokenizer::bytes() { return Tokenizer(Kind::bytes, 256); }

Tokenizer Tokenizer::characters_of(std::string_view text) {
  std::vector<bool> present(kCharacters);
  for (std::size_t at = 0; at < text.size();) present[next_character(text, at)] = true;
  std::vector<char32_t> sorted;
  for (char32_t character = 0; character < kCharacters; ++character) {
    if (present[character]) sorted.push_back(character);
  }
  return characters(std::move(sorted));
}

Tokenizer Tokenizer::characters(std::vector<char32_t> sorted) {
  Tokenizer tokenizer(Kind::characters, static_cast<int64_t>(sorted.size()));
  tokenizer.characters_ = std::move(sorted);
  return tokenizer;
}

Tokenizer Tokenizer::external(std::string name, int64_t vocabulary_size) {
  if (vocabulary_size < 1) {
    throw DataError(fmt::format("tokenizer {}: vocabulary_size must be at least 1, got {}", name,
                                vocabulary_size));
  }
  Tokenizer tokenizer(Kind::external, vocabulary_size);
  tokenizer.name_ = std::move(name);
  return tokenizer;
}

Tokenizer Tokenizer::byte_pair(TokenizerDefinition definition) {
  auto tokenizer = std::make_shared<const BytePairTokenizer>(std::move(definition));
  Tokenizer result(Kind::byte_pair, tokenizer->vocabulary_size());
  result.byte_pairs_ = std::move(tokenizer);
  return result;
}

Tokenizer Tokenizer::load(const std::string& path, const std::string& pattern) {
  TokenizerDefinition definition = read_definition(local_files(), path, pattern);
  try {
    return byte_pair(std::move(definition));
  } catch (const DataError& error) {
    throw DataError(fmt::format("{}: {}", path, error.what()));
  }
}

Tokenizer Tokenizer::train(const TokenizerTraining& options,
                           const std::function<std::optional<std::string>()>& next_text) {
  return byte_pair(train_byte_pairs(options, next_text));
}

std::string Tokenizer::tokenizer_json() const {
  if (kind_ != Kind::byte_pair)
    fail("tokenizer: only a byte-pair tokenizer can be written as a tokenizer.json");
  return write_tokenizer_json(byte_pairs_->definition());
}

std::optional<int32_t> Tokenizer::end_of_document() const {
  if (kind_ != Kind::byte_pair) return std::nullopt;
  for (const char* name : {"<|endoftext|>", "<|end_of_text|>"}) {
    const auto tokens = encode(name);
    if (tokens.size() == 1) return tokens.front();
  }
  return std::nullopt;
}

std::string Tokenizer::identity() const { return hexadecimal(hash_of(description().dump())); }

bool Tokenizer::is_same_as(const Tokenizer& other) const {
  if (byte_pairs_ != nullptr && byte_pairs_ == other.byte_pairs_) return true;
  return identity() == other.identity();
}

nlohmann::json Tokenizer::description() const {
  if (kind_ == Kind::bytes) return {{"kind", "bytes"}};
  if (kind_ == Kind::byte_pair)
    return {{"kind", "byte_pair"}, {"tokenizer", nlohmann::json::parse(tokenizer_json())}};
  if (kind_ == Kind::external) {
    return {{"kind", "external"}, {"name", name_}, {"vocabulary_size", vocabulary_size_}};
  }
  std::string text;
  for (const char32_t character : characters_) append_character(text, character);
  return {{"kind", "characters"}, {"characters", text}};
}

Tokenizer Tokenizer::described(const nlohmann::json& description) {
  try {
    const auto kind = description.at("kind").get<std::string>();
    if (kind == "bytes") return bytes();
    if (kind == "external") return read_external(description);
    if (kind == "characters") return characters_of(description.at("characters").get<std::string>());
    if (kind == "byte_pair")
      return byte_pair(parse_tokenizer_json(description.at("tokenizer").dump()));
    throw DataError(
        fmt::format("tokenizer: unknown kind \"{}\"; must be bytes, characters, external or "
                    "byte_pair",
                    kind));
  } catch (const nlohmann::json::exception& error) {
    throw DataError(fmt::format("tokenizer: invalid description ({})", error.what()));
  }
}

std::vector<int32_t> Tokenizer::encode(std::string_view text, SpecialTokens special) const {
  require_known("encode");
  std::vector<int32_t> tokens;
  if (kind_ == Kind::byte_pair) {
    byte_pairs_->encode(text, special == SpecialTokens::recognized, tokens);
    return tokens;
  }
  tokens.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    if (kind_ == Kind::bytes) {
      tokens.push_back(static_cast<uint8_t>(text[at++]));
    } else {
      tokens.push_back(token_of(next_character(text, at)));
    }
  }
  return tokens;
}

std::optional<std::size_t> Tokenizer::last_cut(std::string_view text, std::size_t least) const {
  require_known("encode");
  if (kind_ == Kind::byte_pair) return byte_pairs_->last_cut(text, least);
  std::size_t at = text.size();
  if (kind_ == Kind::characters) {  // before the last character, which may be incomplete
    while (at > 0 && (static_cast<uint8_t>(text[at - 1]) & 0xc0) == 0x80) --at;
    if (at > 0) --at;
  }
  return at > least ? std::optional(at) : std::nullopt;
}

int32_t Tokenizer::token_of(char32_t character) const {
  const auto found = std::lower_bound(characters_.begin(), characters_.end(), character);
  if (found == characters_.end() || *found != character) outside(character, characters_.size());
  return static_cast<int32_t>(found - characters_.begin());
}

std::string Tokenizer::decode(std::span<const int32_t> tokens) const {
  require_known("decode");
  std::string text;
  for (const int32_t token : tokens) {
    if (kind_ == Kind::byte_pair) {
      text += byte_pairs_->bytes_of(token);
      continue;
    }
    if (token < 0 || token >= vocabulary_size_) {
      throw DataError(fmt::format("tokenizer: token {} is outside the vocabulary of {} tokens",
                                  token, vocabulary_size_));
    }
    if (kind_ == Kind::bytes) {
      text.push_back(static_cast<char>(token));
    } else {
      append_character(text, characters_[token]);
    }
  }
  return text;
}

void Tokenizer::require_known(const char* operation) const {
  if (kind_ != Kind::external) return;
  fail(
      fmt::format("tokenizer {}: cannot {} with an external tokenizer; use the program that made "
                  "the tokens",
                  name_, operation));
}

}  // namespace ripieno::io
