#include "ripieno/io/data/tokenizers/definition_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "ripieno/core/error.h"
#include "ripieno/io/data/tokenizers/byte_alphabet.h"
#include "ripieno/io/files/file_system.h"

namespace ripieno::io {
namespace {

using nlohmann::ordered_json;

constexpr int64_t kMostBytes = int64_t{1} << 28;  // the largest files in use have 35 MB

void require_file(const FileSystem& files, const std::string& path) {
  if (!files.exists(path)) throw ConfigurationError(path + ": file does not exist");
}

std::string read_checked(const FileSystem& files, const std::string& path) {
  require_file(files, path);
  const int64_t bytes = files.open(path)->size();
  if (bytes > kMostBytes)
    throw DataError(
        fmt::format("{} bytes are too many for a tokenizer file; at most {}", bytes, kMostBytes));
  return read_file(files, path);
}

std::string beside(const std::string& path, const char* name) {
  return parent_of(path) + "/" + name;
}

// The file of a folder that defines the tokenizer.
std::string file_in(const FileSystem& files, const std::string& folder) {
  for (const char* name : {"tokenizer.json", "vocab.json"}) {
    if (files.exists(folder + "/" + name)) return folder + "/" + name;
  }
  throw ConfigurationError(folder + ": has neither a tokenizer.json nor a vocab.json");
}

bool ends_with_name(const std::string& path, const char* name) {
  return std::filesystem::path(path).filename() == name;
}

bool begins_like_json(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r\n");
  return first != text.npos && text[first] == '{';
}

// Whether a JSON file is a whole tokenizer.json, not the vocabulary of one: in that, every value is
// a number.
bool has_model(std::string_view text) {
  return text.find("\"model\"") != text.npos && text.find("\"vocab\"") != text.npos;
}

TokenizerDefinition read_from(const FileSystem& files, const std::string& path,
                              const std::string& pattern) {
  const std::string text = read_checked(files, path);
  if (ends_with_name(path, "merges.txt"))
    return parse_vocabulary_and_merges(read_checked(files, beside(path, "vocab.json")), text);
  if (!begins_like_json(text)) return parse_tiktoken(text, pattern);
  if (has_model(text)) return parse_tokenizer_json(text);
  return parse_vocabulary_and_merges(text, read_checked(files, beside(path, "merges.txt")));
}

ordered_json added_token_json(const AddedToken& token) {
  return {{"id", token.id},
          {"content", token.text},
          {"single_word", false},
          {"lstrip", false},
          {"rstrip", false},
          {"normalized", token.is_normalized},
          {"special", token.is_special}};
}

std::string text_of(const TokenizerDefinition& definition, int32_t id) {
  for (const AddedToken& token : definition.added) {
    if (token.id == id) return token.text;
  }
  throw DataError(fmt::format("post_processor: token {} is not an added token", id));
}

ordered_json byte_level(bool has_expression) {
  return {{"type", "ByteLevel"},
          {"add_prefix_space", false},
          {"trim_offsets", true},
          {"use_regex", has_expression}};
}

ordered_json pre_tokenizer_json(const Pattern& pattern) {
  if (&pattern == &pattern_named("gpt2")) return byte_level(true);
  const ordered_json split = {{"type", "Split"},
                              {"pattern", {{"Regex", expression_of(pattern)}}},
                              {"behavior", "Isolated"},
                              {"invert", false}};
  return {{"type", "Sequence"}, {"pretokenizers", ordered_json::array({split, byte_level(false)})}};
}

// What is put around a text: the tokens before it, the text, the tokens after it.
ordered_json post_processor_json(const TokenizerDefinition& definition) {
  if (definition.before.empty() && definition.after.empty()) return byte_level(true);
  ordered_json parts = ordered_json::array(), tokens = ordered_json::object();
  const auto add = [&](int32_t id) {
    const std::string name = fmt::format("token {}", id);
    parts.push_back({{"SpecialToken", {{"id", name}, {"type_id", 0}}}});
    tokens[name] = {{"id", name},
                    {"ids", ordered_json::array({id})},
                    {"tokens", ordered_json::array({text_of(definition, id)})}};
  };
  std::for_each(definition.before.begin(), definition.before.end(), add);
  parts.push_back({{"Sequence", {{"id", "A"}, {"type_id", 0}}}});
  std::for_each(definition.after.begin(), definition.after.end(), add);
  ordered_json pair = parts;
  pair.push_back({{"Sequence", {{"id", "B"}, {"type_id", 1}}}});
  return {{"type", "TemplateProcessing"},
          {"single", parts},
          {"pair", pair},
          {"special_tokens", tokens}};
}

ordered_json model_json(const TokenizerDefinition& definition) {
  ordered_json merges = ordered_json::array();
  for (const MergeRule& rule : definition.rules)
    merges.push_back({characters_of_bytes(definition.tokens[rule.left]),
                      characters_of_bytes(definition.tokens[rule.right])});
  nlohmann::json tokens = nlohmann::json::object();
  for (std::size_t id = 0; id < definition.tokens.size(); ++id) {
    if (!definition.tokens[id].empty()) tokens[characters_of_bytes(definition.tokens[id])] = id;
  }
  return {{"type", "BPE"},
          {"dropout", nullptr},
          {"unk_token", nullptr},
          {"continuing_subword_prefix", nullptr},
          {"end_of_word_suffix", nullptr},
          {"fuse_unk", false},
          {"byte_fallback", false},
          {"ignore_merges", definition.whole_pieces},
          {"vocab", tokens},
          {"merges", merges}};
}

}  // namespace

TokenizerDefinition read_definition(const FileSystem& files, const std::string& path,
                                    const std::string& pattern) {
  require_file(files, path);
  const std::string file = std::filesystem::is_directory(path) ? file_in(files, path) : path;
  try {
    return read_from(files, file, pattern);
  } catch (const DataError& error) {
    throw DataError(fmt::format("{}: {}", file, error.what()));
  }
}

std::string write_tokenizer_json(const TokenizerDefinition& definition) {
  ordered_json added = ordered_json::array();
  for (const AddedToken& token : definition.added) added.push_back(added_token_json(token));
  const ordered_json file = {
      {"version", "1.0"},
      {"truncation", nullptr},
      {"padding", nullptr},
      {"added_tokens", added},
      {"normalizer", definition.has_nfc ? ordered_json{{"type", "NFC"}} : ordered_json(nullptr)},
      {"pre_tokenizer", pre_tokenizer_json(*definition.pattern)},
      {"post_processor", post_processor_json(definition)},
      {"decoder", byte_level(true)},
      {"model", model_json(definition)}};
  return file.dump(2) + "\n";
}

}  // namespace ripieno::io
