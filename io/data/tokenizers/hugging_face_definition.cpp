#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <unordered_map>
#include <unordered_set>

#include "ripieno/core/error.h"
#include "ripieno/io/data/tokenizers/byte_alphabet.h"
#include "ripieno/io/data/tokenizers/definition_files.h"
#include "ripieno/io/files/checked_json.h"

namespace ripieno::io {
namespace {

using nlohmann::json;

[[noreturn]] void unsupported(const char* name, const json& value, const char* required) {
  throw DataError(
      fmt::format("{} is {}, which is not supported; must be {}", name, excerpt(value), required));
}

// The member, or null if it is missing.
const json& optional_member(const json& object, const char* name) {
  static const json null;
  const auto found = object.find(name);
  return found == object.end() ? null : *found;
}

bool flag(const json& object, const char* name, bool otherwise = false) {
  const json& value = optional_member(object, name);
  if (value.is_null()) return otherwise;
  if (!value.is_boolean()) unsupported(name, value, "true or false");
  return value.get<bool>();
}

void require_members(const json& object, std::initializer_list<std::string_view> known) {
  if (!object.is_object())
    throw DataError(fmt::format("expected an object, found {}", excerpt(object)));
  for (const auto& [name, value] : object.items()) {
    if (std::find(known.begin(), known.end(), name) == known.end())
      throw DataError(fmt::format("unknown member {}: {}", excerpt(json(name)), excerpt(value)));
  }
}

void require_off(const json& object, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    const json& value = optional_member(object, name);
    const bool is_off = value.is_null() || value == json(false) || value == json("");
    if (!is_off) unsupported(name, value, "null, false or empty");
  }
}

// Adds the tokens of a vocabulary to a definition, and finds them by their bytes.
class Vocabulary {
 public:
  Vocabulary(const json& vocabulary, TokenizerDefinition& definition) : definition_(definition) {
    if (!vocabulary.is_object() || vocabulary.empty())
      unsupported("vocab", vocabulary, "an object of tokens and their ids");
    for (const auto& [text, id] : vocabulary.items()) add(text, id);
    for (std::size_t id = 0; id < definition.tokens.size(); ++id) {
      if (!definition.tokens[id].empty())
        ids_.emplace(definition.tokens[id], static_cast<uint32_t>(id));
    }
  }

  // Rules in the order of the merges: "a b" or ["a", "b"].
  void add_rule(const json& merge) {
    const auto [left, right] = parts_of(merge);
    const uint32_t left_id = id_of(left), right_id = id_of(right);
    const uint32_t result = id_of(left + right);
    const auto rank = static_cast<uint32_t>(definition_.rules.size());
    if (!pairs_.insert(uint64_t{left_id} << 32 | right_id).second)
      throw DataError(fmt::format("{} is there twice", excerpt(merge)));
    definition_.rules.push_back({left_id, right_id, result, rank});
  }

 private:
  void add(const std::string& text, const json& value) {
    int64_t id;
    try {
      id = count_of(value, kMostTokens - 1);
    } catch (const DataError& error) {
      throw DataError(fmt::format("vocab: id of {}: {}", excerpt(json(text)), error.what()));
    }
    const auto index = static_cast<std::size_t>(id);
    auto& tokens = definition_.tokens;
    if (index >= tokens.size()) {
      tokens.resize(index + 1);
      texts_.resize(index + 1, nullptr);
    }
    if (texts_[index] != nullptr)
      throw DataError(fmt::format("vocab: {} and {} both have id {}", excerpt(json(*texts_[index])),
                                  excerpt(json(text)), id));
    texts_[index] = &text;
    if (text.empty()) throw DataError(fmt::format("vocab: token {} is empty", id));
    if (auto bytes = bytes_of_characters(text))
      tokens[index] = std::move(*bytes);
    else
      definition_.unreachable.push_back({static_cast<int32_t>(id), text});
  }

  static std::pair<std::string, std::string> parts_of(const json& merge) {
    if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string())
      return {bytes_of(merge[0].get_ref<const std::string&>()),
              bytes_of(merge[1].get_ref<const std::string&>())};
    if (merge.is_string()) {
      const auto& text = merge.get_ref<const std::string&>();
      const auto space = text.find(' ');
      if (space != text.npos && text.find(' ', space + 1) == text.npos)
        return {bytes_of(text.substr(0, space)), bytes_of(text.substr(space + 1))};
    }
    throw DataError(fmt::format("{} is not a pair of tokens", excerpt(merge)));
  }
  static std::string bytes_of(const std::string& text) {
    const auto bytes = bytes_of_characters(text);
    if (!bytes || bytes->empty())
      throw DataError(fmt::format("{} is not a byte-level token", excerpt(json(text))));
    return *bytes;
  }
  uint32_t id_of(const std::string& bytes) const {
    const auto found = ids_.find(bytes);
    if (found != ids_.end()) return found->second;
    throw DataError(fmt::format("token {} is not in the vocabulary",
                                excerpt(json(characters_of_bytes(bytes)))));
  }

  TokenizerDefinition& definition_;
  std::vector<const std::string*> texts_;  // by id; nullptr: not taken
  std::unordered_map<std::string_view, uint32_t> ids_;
  std::unordered_set<uint64_t> pairs_;
};

bool read_normalizer(const json& normalizer) {
  if (normalizer.is_null()) return false;
  if (normalizer == json{{"type", "NFC"}}) return true;
  unsupported("normalizer", normalizer, "null or NFC");
}

// Throws unless the step is the byte-level one; returns whether it splits, as GPT-2 does.
bool read_byte_level(const json& step) {
  require_members(step, {"type", "add_prefix_space", "trim_offsets", "use_regex"});
  if (text_member(step, "type") != "ByteLevel")
    unsupported("pre_tokenizer", step, "ByteLevel, or Split and ByteLevel");
  if (flag(step, "add_prefix_space", true)) unsupported("add_prefix_space", true, "false");
  return flag(step, "use_regex", true);
}

const Pattern& read_split(const json& step) {
  require_members(step, {"type", "pattern", "behavior", "invert"});
  if (text_member(step, "type") != "Split")
    unsupported("pre_tokenizer", step, "ByteLevel, or Split and ByteLevel");
  const std::string& behavior = text_member(step, "behavior");
  const bool is_inverted = flag(step, "invert");
  // The known expressions match the whole text, so nothing is left to remove.
  if (!(behavior == "Isolated" && !is_inverted) && !(behavior == "Removed" && is_inverted))
    unsupported("behavior", step, "Isolated");
  const std::string& expression = text_member(member(step, "pattern"), "Regex");
  if (const Pattern* pattern = pattern_of_expression(expression)) return *pattern;
  throw DataError(
      fmt::format("pre_tokenizer: unknown expression {}; must be that of GPT-2, cl100k, Llama 3, "
                  "Qwen 2, Qwen 3.5 or o200k",
                  json(expression).dump(-1, ' ', /*ensure_ascii=*/true)));
}

const Pattern& read_pre_tokenizer(const json& step) {
  if (!step.is_object()) unsupported("pre_tokenizer", step, "ByteLevel, or Split and ByteLevel");
  if (text_member(step, "type") != "Sequence") {
    if (!read_byte_level(step)) unsupported("use_regex", false, "true");
    return pattern_named("gpt2");
  }
  require_members(step, {"type", "pretokenizers"});
  const json& steps = member(step, "pretokenizers");
  if (!steps.is_array() || steps.size() != 2)
    unsupported("pretokenizers", steps, "Split and ByteLevel");
  const Pattern& pattern = read_split(steps[0]);
  if (read_byte_level(steps[1])) unsupported("use_regex", true, "false after Split");
  return pattern;
}

void read_decoder(const json& decoder) {
  if (decoder.is_null() || (decoder.is_object() && text_member(decoder, "type") == "ByteLevel"))
    return;
  unsupported("decoder", decoder, "ByteLevel");
}

void read_model(const json& model, TokenizerDefinition& definition) {
  require_members(
      model, {"type", "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix",
              "fuse_unk", "byte_fallback", "ignore_merges", "vocab", "merges"});
  // Old files of GPT-2 do not name the type.
  if (model.contains("type") && text_member(model, "type") != "BPE")
    unsupported("type", model["type"], "\"BPE\"");
  // With a token for each byte, unk_token and byte_fallback are never used.
  require_off(model, {"dropout", "continuing_subword_prefix", "end_of_word_suffix"});
  definition.whole_pieces = flag(model, "ignore_merges");
  Vocabulary vocabulary(member(model, "vocab"), definition);
  for_each_in(model, "merges", [&](const json& merge) { vocabulary.add_rule(merge); });
}

AddedToken read_added_token(const json& token) {
  require_members(token,
                  {"id", "content", "single_word", "lstrip", "rstrip", "normalized", "special"});
  require_off(token, {"single_word", "lstrip", "rstrip"});
  return {static_cast<int32_t>(count_member(token, "id", kMostTokens - 1)),
          text_member(token, "content"), flag(token, "special"), flag(token, "normalized", true)};
}

// The ids that TemplateProcessing puts around a single text.
void read_template(const json& processor, TokenizerDefinition& definition) {
  require_members(processor, {"type", "single", "pair", "special_tokens"});
  bool is_after = false;
  for_each_in(processor, "single", [&](const json& part) {
    require_members(part, {"Sequence", "SpecialToken"});
    if (part.contains("Sequence")) {
      is_after = true;
      return;
    }
    const std::string& name = text_member(member(part, "SpecialToken"), "id");
    for_each_in(member(member(processor, "special_tokens"), name.c_str()), "ids",
                [&](const json& id) {
                  (is_after ? definition.after : definition.before)
                      .push_back(static_cast<int32_t>(count_of(id, kMostTokens - 1)));
                });
  });
}

void read_post_processor(const json& processor, TokenizerDefinition& definition) {
  if (processor.is_null()) return;
  const std::string& type = text_member(processor, "type");
  if (type == "ByteLevel") return;  // about offsets only
  if (type == "TemplateProcessing") return read_template(processor, definition);
  if (type != "Sequence")
    unsupported("post_processor", processor, "ByteLevel, TemplateProcessing or both");
  for_each_in(processor, "processors", [&](const json& part) {
    if (text_member(part, "type") == "Sequence") unsupported("processors", part, "flat");
    read_post_processor(part, definition);
  });
}

void remove_added_from_unreachable(TokenizerDefinition& definition) {
  std::erase_if(definition.unreachable, [&](const AddedToken& token) {
    return std::any_of(
        definition.added.begin(), definition.added.end(),
        [&](const AddedToken& added) { return added.id == token.id && added.text == token.text; });
  });
}

// An added token is its text, even where that would stand for other bytes.
void clear_added_from_vocabulary(TokenizerDefinition& definition) {
  for (const AddedToken& added : definition.added) {
    const auto id = static_cast<std::size_t>(added.id);
    if (id < definition.tokens.size() && definition.tokens[id] != added.text &&
        characters_of_bytes(definition.tokens[id]) == added.text)
      definition.tokens[id].clear();
  }
}

}  // namespace

TokenizerDefinition parse_tokenizer_json(std::string_view text) {
  const json file = parse_json(text);
  require_members(file, {"version", "truncation", "padding", "added_tokens", "normalizer",
                         "pre_tokenizer", "post_processor", "decoder", "model"});
  require_off(file, {"truncation", "padding"});
  TokenizerDefinition definition;
  definition.has_nfc = read_normalizer(optional_member(file, "normalizer"));
  definition.pattern = &read_pre_tokenizer(optional_member(file, "pre_tokenizer"));
  read_decoder(optional_member(file, "decoder"));
  read_model(member(file, "model"), definition);
  read_post_processor(optional_member(file, "post_processor"), definition);
  if (file.contains("added_tokens")) {
    for_each_in(file, "added_tokens",
                [&](const json& token) { definition.added.push_back(read_added_token(token)); });
  }
  remove_added_from_unreachable(definition);
  clear_added_from_vocabulary(definition);
  return definition;
}

TokenizerDefinition parse_vocabulary_and_merges(std::string_view vocabulary,
                                                std::string_view merges) {
  TokenizerDefinition definition;
  definition.pattern = &pattern_named("gpt2");
  const json file = parse_json(vocabulary);
  Vocabulary tokens(file, definition);
  for (std::size_t at = 0, line = 1; at < merges.size(); ++line) {
    const std::size_t end = std::min(merges.find('\n', at), merges.size());
    std::string_view text = merges.substr(at, end - at);
    at = end + 1;
    if (text.ends_with('\r')) text.remove_suffix(1);
    if (text.empty() || (line == 1 && text.starts_with("#version"))) continue;
    try {
      tokens.add_rule(json(std::string(text)));
    } catch (const Error& error) {
      throw DataError(fmt::format("merges, line {}: {}", line, error.what()));
    }
  }
  // The one special token of GPT-2, which its files list with the others.
  constexpr const char* kEnd = "<|endoftext|>";
  if (const auto found = file.find(kEnd); found != file.end())
    definition.added.push_back({found->get<int32_t>(), kEnd});
  return definition;
}

}  // namespace ripieno::io
