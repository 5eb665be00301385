#include "ripieno/io/data/tokenizers/definition_files.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "ripieno/core/error.h"
#include "ripieno/io/data/tokenizers/byte_pair_tokenizer.h"
#include "ripieno/io/files/file_system.h"

namespace ripieno::io {
namespace {

using nlohmann::json;
using testing::HasSubstr;

json fixture(const char* name) {
  return json::parse(
      read_file(local_files(), std::string(FIXTURES_FOLDER "/tokenizers/") + name + ".json"));
}

// The message with which a tokenizer.json is refused.
std::string refusal(const json& file) {
  try {
    BytePairTokenizer tokenizer(parse_tokenizer_json(file.dump()));
  } catch (const DataError& error) {
    return error.what();
  }
  return "accepted";
}

// The GPT-2 fixture with the value at `pointer` replaced.
std::string refusal_with(const char* pointer, const json& value, const char* name = "gpt2") {
  json file = fixture(name);
  file[json::json_pointer(pointer)] = value;
  return refusal(file);
}

std::string tiktoken_refusal(const std::string& text, const std::string& pattern = "gpt2") {
  try {
    parse_tiktoken(text, pattern);
  } catch (const DataError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(TokenizerJson, IsAcceptedWithoutChanges) {
  EXPECT_EQ(refusal(fixture("gpt2")), "accepted");
  EXPECT_EQ(refusal_with("/normalizer", nullptr), "accepted");
}

TEST(TokenizerJson, QuotesWhatIsNotSupported) {
  EXPECT_THAT(refusal_with("/normalizer", {{"type", "Lowercase"}}), HasSubstr("Lowercase"));
  EXPECT_THAT(refusal_with("/pre_tokenizer", {{"type", "Whitespace"}}), HasSubstr("Whitespace"));
  EXPECT_THAT(refusal_with("/pre_tokenizer/add_prefix_space", true), HasSubstr("add_prefix_space"));
  EXPECT_THAT(refusal_with("/pre_tokenizer/use_regex", false), HasSubstr("use_regex"));
  EXPECT_THAT(refusal_with("/decoder", {{"type", "WordPiece"}}), HasSubstr("WordPiece"));
  EXPECT_THAT(refusal_with("/post_processor", {{"type", "BertProcessing"}}),
              HasSubstr("BertProcessing"));
  EXPECT_THAT(refusal_with("/truncation", {{"max_length", 8}}), HasSubstr("max_length"));
  EXPECT_THAT(refusal_with("/padding", {{"strategy", "BatchLongest"}}), HasSubstr("BatchLongest"));
  EXPECT_THAT(refusal_with("/surprise", 3), HasSubstr("unknown member \"surprise\": 3"));
}

TEST(TokenizerJson, QuotesAnUnknownModel) {
  EXPECT_THAT(refusal_with("/model/type", "Unigram"), HasSubstr("Unigram"));
  EXPECT_THAT(refusal_with("/model/dropout", 0.1), HasSubstr("dropout is 0.1"));
  EXPECT_THAT(refusal_with("/model/end_of_word_suffix", "</w>"), HasSubstr("</w>"));
  EXPECT_THAT(refusal_with("/model/continuing_subword_prefix", "##"), HasSubstr("##"));
  EXPECT_THAT(refusal_with("/model/surprise", 3), HasSubstr("surprise"));
}

TEST(TokenizerJson, QuotesAnUnknownExpressionWhole) {
  const std::string expression = R"(\p{L}+|and a long expression that no tokenizer has, or \s+)";
  EXPECT_THAT(refusal_with("/pre_tokenizer/pretokenizers/0/pattern/Regex", expression, "llama3"),
              HasSubstr(json(expression).dump()));
}

TEST(TokenizerJson, RefusesAnotherBehaviorOfASplit) {
  EXPECT_THAT(refusal_with("/pre_tokenizer/pretokenizers/0/behavior", "Removed", "llama3"),
              HasSubstr("Removed"));
}

TEST(TokenizerJson, RefusesAddedTokensThatTakeTextAlong) {
  for (const char* flag : {"single_word", "lstrip", "rstrip"})
    EXPECT_THAT(refusal_with((std::string("/added_tokens/0/") + flag).c_str(), true),
                HasSubstr(flag));
}

TEST(TokenizerJson, RefusesIdsThatAreTakenOrTooLarge) {
  EXPECT_THAT(refusal_with("/model/vocab/!", 5), HasSubstr("both have id 5"));
  EXPECT_THAT(refusal_with("/model/vocab/!", -1), HasSubstr("id of \"!\""));
  EXPECT_THAT(refusal_with("/model/vocab/!", 1e12), HasSubstr("id of \"!\""));
  EXPECT_THAT(refusal_with("/model/vocab/!", int64_t{1} << 40), HasSubstr("id of \"!\""));
  EXPECT_THAT(refusal_with("/added_tokens/0/id", 7), HasSubstr("two tokens have id 7"));
  EXPECT_THAT(refusal_with("/added_tokens/0/id", int64_t{1} << 30), HasSubstr("added_tokens[0]"));
}

TEST(TokenizerJson, RefusesMergesOfUnknownTokens) {
  EXPECT_THAT(refusal_with("/model/merges/3", {"a", "qqq"}),
              HasSubstr("merges[3]: token \"qqq\" is not in the vocabulary"));
  EXPECT_THAT(refusal_with("/model/merges/3", {"q", "q"}),
              HasSubstr("merges[3]: token \"qq\" is not in the vocabulary"));
  EXPECT_THAT(refusal_with("/model/merges/3", "a b c"), HasSubstr("merges[3]: \"a b c\""));
  EXPECT_THAT(refusal_with("/model/merges/3", {"a", ""}), HasSubstr("merges[3]"));
}

TEST(TokenizerJson, RefusesAMergeThatIsThereTwice) {
  json file = fixture("gpt2");
  file["model"]["merges"][5] = file["model"]["merges"][4];
  EXPECT_THAT(refusal(file), HasSubstr("merges[5]"));
}

TEST(TokenizerJson, RefusesAVocabularyWithoutAByte) {
  json file = fixture("gpt2");
  file["model"]["vocab"].erase("\u0102");  // stands for byte 2
  EXPECT_THAT(refusal(file), HasSubstr("no token for byte 0x02"));
}

TEST(TokenizerJson, RefusesDeepJson) {
  const std::string deep = std::string(100'000, '[') + std::string(100'000, ']');
  EXPECT_THROW(parse_tokenizer_json(deep), DataError);
}

TEST(TokenizerJson, AcceptsMergesAsStrings) {
  json file = fixture("gpt2");
  for (auto& merge : file["model"]["merges"])
    merge = merge[0].get<std::string>() + " " + merge[1].get<std::string>();
  EXPECT_EQ(refusal(file), "accepted");
}

TEST(TokenizerJson, KeepsTheTemplateOfThePostProcessor) {
  auto definition = parse_tokenizer_json(fixture("llama3").dump());
  definition = parse_tokenizer_json(write_tokenizer_json(definition));
  EXPECT_THAT(definition.before, testing::ElementsAre(480));
  EXPECT_TRUE(definition.after.empty());
}

TEST(Tiktoken, QuotesTheLineThatIsWrong) {
  EXPECT_THAT(tiktoken_refusal("IQ== 0\nIg==\n"), HasSubstr("line 2: \"Ig==\""));
  EXPECT_THAT(tiktoken_refusal("IQ= 0\n"), HasSubstr("line 1"));
  EXPECT_THAT(tiktoken_refusal("I*== 0\n"), HasSubstr("line 1"));
  EXPECT_THAT(tiktoken_refusal("IQ== 0x\n"), HasSubstr("line 1"));
  EXPECT_THAT(tiktoken_refusal("IQ== 99999999999\n"), HasSubstr("99999999999"));
  EXPECT_THAT(tiktoken_refusal("IQ== 0\nIg== 0\n"), HasSubstr("line 2: id 0 is there twice"));
  EXPECT_THAT(tiktoken_refusal("IQ== 0\nIQ== 1\n"), HasSubstr("tokens 0 and 1 are the same"));
}

TEST(Tiktoken, OfAnUnknownSizeNeedsAPattern) {
  EXPECT_THAT(tiktoken_refusal("IQ== 0\n", ""), HasSubstr("name the pattern"));
  EXPECT_THAT(tiktoken_refusal("IQ== 0\n", "gpt9"), HasSubstr("\"gpt9\""));
}

TEST(TokenizerFile, ThatDoesNotExistIsNamed) {
  try {
    read_definition(local_files(), "no/such/tokenizer.json");
    FAIL();
  } catch (const ConfigurationError& error) {
    EXPECT_THAT(error.what(), HasSubstr("no/such/tokenizer.json"));
  }
}

}  // namespace
}  // namespace ripieno::io
