#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <unordered_map>

#include "ripieno/core/error.h"
#include "ripieno/io/data/tokenizers/definition_files.h"
#include "ripieno/io/files/checked_json.h"
#include "ripieno/io/files/utf8.h"

namespace ripieno::io {
namespace {

// The special tokens of the known vocabularies, which their files do not list.
struct Special {
  int32_t id;
  const char* text;
};
struct Known {
  std::size_t tokens;
  const char* pattern;
  std::array<Special, 5> special;
};
constexpr Known kKnown[] = {
    {50256, "gpt2", {{{50256, "<|endoftext|>"}}}},
    {100256,
     "cl100k",
     {{{100257, "<|endoftext|>"},
       {100258, "<|fim_prefix|>"},
       {100259, "<|fim_middle|>"},
       {100260, "<|fim_suffix|>"},
       {100276, "<|endofprompt|>"}}}},
    {128000, "llama3", {{{128000, "<|begin_of_text|>"}, {128001, "<|end_of_text|>"}}}},
    {151643,
     "qwen2",
     {{{151643, "<|endoftext|>"}, {151644, "<|im_start|>"}, {151645, "<|im_end|>"}}}},
    {199998, "o200k", {{{199999, "<|endoftext|>"}, {200018, "<|endofprompt|>"}}}},
};

// The first 60 bytes of a line, printable.
std::string quoted(std::string_view line) {
  std::string text = "\"";
  for (const char c : line.substr(0, 60)) text += c >= ' ' && c <= '~' ? c : '?';
  return text + (line.size() > 60 ? "...\"" : "\"");
}

// Four digits of base64 are three bytes; `=` fills up the last four.
std::optional<std::string> decode_base64(std::string_view digits) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const std::size_t filled = digits.ends_with("==") ? 2 : digits.ends_with('=') ? 1 : 0;
  if (digits.empty() || digits.size() % 4 != 0) return std::nullopt;
  digits.remove_suffix(filled);
  std::string bytes;
  uint32_t bits = 0;
  int count = 0;
  for (const char digit : digits) {
    const auto value = kDigits.find(digit);
    if (value == kDigits.npos) return std::nullopt;
    bits = bits << 6 | static_cast<uint32_t>(value);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    bytes.push_back(static_cast<char>(bits >> count & 0xff));
  }
  return bytes;
}

// Adds the token of a line: base64, a space, the id.
void add_line(std::string_view line, std::vector<std::string>& tokens) {
  const auto space = line.find(' ');
  const auto bytes = decode_base64(line.substr(0, space));
  int64_t id = -1;
  const char* end = line.data() + line.size();
  const char* begin = space == line.npos ? end : line.data() + space + 1;
  const auto [at, error] = std::from_chars(begin, end, id);
  if (!bytes || error != std::errc() || at != end)
    throw DataError(fmt::format("{} is not a token in base64 and its id", quoted(line)));
  if (id < 0 || id >= kMostTokens)
    throw DataError(fmt::format("id {} is not an integer from 0 to {}", id, kMostTokens - 1));
  const auto index = static_cast<std::size_t>(id);
  if (index >= tokens.size()) tokens.resize(index + 1);
  if (!tokens[index].empty()) throw DataError(fmt::format("id {} is there twice", id));
  tokens[index] = *bytes;
}

// A rule for each way to make a token of two others; its rank is the id of the token.
std::vector<MergeRule> rules_of(const std::vector<std::string>& tokens) {
  std::unordered_map<std::string_view, uint32_t> ids;
  for (std::size_t id = 0; id < tokens.size(); ++id) {
    if (!tokens[id].empty() && !ids.emplace(tokens[id], static_cast<uint32_t>(id)).second)
      throw DataError(fmt::format("tokens {} and {} are the same", ids[tokens[id]], id));
  }
  std::vector<MergeRule> rules;
  for (const auto& [bytes, id] : ids) {
    for (std::size_t i = 1; i < bytes.size(); ++i) {
      const auto left = ids.find(bytes.substr(0, i)), right = ids.find(bytes.substr(i));
      if (left != ids.end() && right != ids.end())
        rules.push_back({left->second, right->second, id, id});
    }
  }
  return rules;
}

// The pattern and the special tokens, from the number of tokens.
void recognize(TokenizerDefinition& definition, const std::string& pattern) {
  const std::size_t count = definition.tokens.size();
  const auto* known = std::find_if(std::begin(kKnown), std::end(kKnown),
                                   [&](const Known& row) { return row.tokens == count; });
  if (known != std::end(kKnown) && (pattern.empty() || pattern == known->pattern)) {
    definition.pattern = &pattern_named(known->pattern);
    for (const Special& special : known->special) {
      if (special.text != nullptr) definition.added.push_back({special.id, special.text});
    }
  } else if (!pattern.empty()) {
    definition.pattern = &pattern_named(pattern);
  } else {
    throw DataError(
        fmt::format("a .tiktoken file does not name its pattern, and its {} tokens are not those "
                    "of a known vocabulary; name the pattern (gpt2, cl100k, llama3, qwen2, "
                    "qwen3.5 or o200k)",
                    count));
  }
}

}  // namespace

TokenizerDefinition parse_tiktoken(std::string_view text, const std::string& pattern) {
  TokenizerDefinition definition;
  for (std::size_t at = 0, line = 1; at < text.size(); ++line) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    std::string_view content = text.substr(at, end - at);
    at = end + 1;
    if (content.ends_with('\r')) content.remove_suffix(1);
    if (content.empty()) continue;
    try {
      add_line(content, definition.tokens);
    } catch (const DataError& error) {
      throw DataError(fmt::format("line {}: {}", line, error.what()));
    }
  }
  recognize(definition, pattern);
  definition.rules = rules_of(definition.tokens);
  definition.whole_pieces = true;
  return definition;
}

}  // namespace ripieno::io
