#include "ripieno/tools/convert/tokenizer_files.h"

#include <span>

#include "ripieno/io/data/tokenizers/byte_alphabet.h"

namespace ripieno::tools {
namespace {

using nlohmann::json;

// A tokenizer.json in which each token is one character, or one byte in the printable alphabet of
// byte-level tokenizers.
json one_by_one(const json& vocabulary, bool of_bytes) {
  json tokenizer = {{"version", "1.0"},      {"truncation", nullptr},
                    {"padding", nullptr},    {"added_tokens", json::array()},
                    {"normalizer", nullptr}, {"post_processor", nullptr}};
  if (of_bytes) {
    const json byte_level = {{"type", "ByteLevel"},
                             {"add_prefix_space", false},
                             {"trim_offsets", true},
                             {"use_regex", false}};
    tokenizer["pre_tokenizer"] = tokenizer["decoder"] = byte_level;
    tokenizer["model"] = {{"type", "BPE"},
                          {"dropout", nullptr},
                          {"unk_token", nullptr},
                          {"continuing_subword_prefix", nullptr},
                          {"end_of_word_suffix", nullptr},
                          {"fuse_unk", false},
                          {"byte_fallback", false},
                          {"ignore_merges", false},
                          {"vocab", vocabulary},
                          {"merges", json::array()}};
    return tokenizer;
  }
  tokenizer["pre_tokenizer"] = {{"type", "Split"},
                                {"pattern", {{"Regex", "[\\s\\S]"}}},
                                {"behavior", "Isolated"},
                                {"invert", false}};
  tokenizer["decoder"] = {{"type", "Fuse"}};
  // There is no token for other characters: transformers leaves them out.
  tokenizer["model"] = {{"type", "WordLevel"}, {"vocab", vocabulary}, {"unk_token", "<unk>"}};
  return tokenizer;
}

std::string tokenizer_json_of(const io::Tokenizer& tokenizer) {
  using Kind = io::Tokenizer::Kind;
  if (tokenizer.kind() == Kind::byte_pair) return tokenizer.tokenizer_json();
  json vocabulary = json::object();
  const bool of_bytes = tokenizer.kind() == Kind::bytes;
  for (int32_t token = 0; token < tokenizer.vocabulary_size(); ++token) {
    const std::string text = tokenizer.decode(std::span(&token, 1));
    vocabulary[of_bytes ? io::characters_of_bytes(text) : text] = token;
  }
  return one_by_one(vocabulary, of_bytes).dump(2) + "\n";
}

}  // namespace

std::map<std::string, std::string> tokenizer_files(const io::Tokenizer& tokenizer,
                                                   int64_t context) {
  if (tokenizer.kind() == io::Tokenizer::Kind::external) return {};
  json configuration = {{"tokenizer_class", "PreTrainedTokenizerFast"},
                        {"clean_up_tokenization_spaces", false}};
  if (context > 0) configuration["model_max_length"] = context;
  json generation = {{"do_sample", true}};
  if (const auto end = tokenizer.end_of_document()) {
    configuration["eos_token"] = tokenizer.decode(std::span(&*end, 1));
    generation["eos_token_id"] = *end;
  }
  return {{"tokenizer.json", tokenizer_json_of(tokenizer)},
          {"tokenizer_config.json", configuration.dump(2) + "\n"},
          {"generation_config.json", generation.dump(2) + "\n"}};
}

}  // namespace ripieno::tools
