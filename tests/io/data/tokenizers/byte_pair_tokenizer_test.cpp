#include <gmock/gmock.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <random>

#include "ripieno/core/error.h"
#include "ripieno/io/data/tokenizer.h"
#include "ripieno/io/files/file_system.h"

namespace ripieno::io {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Tokens = std::vector<int32_t>;

const std::string kFolder = FIXTURES_FOLDER "/tokenizers/";

// The ids that the libraries of tests/fixtures/write_tokenizers.py gave.
const nlohmann::json& expected() {
  static const auto json =
      nlohmann::json::parse(read_file(local_files(), kFolder + "expected.json"));
  return json;
}

void expect_ids(const Tokenizer& tokenizer, const char* name,
                SpecialTokens special = SpecialTokens::recognized) {
  const auto& texts = expected()["texts"];
  ASSERT_GT(texts.size(), 50u);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const auto text = texts[i].get<std::string>();
    EXPECT_EQ(tokenizer.encode(text, special), expected()["ids"][name][i].get<Tokens>())
        << name << ": " << texts[i];
  }
}

class Family : public testing::TestWithParam<const char*> {
 protected:
  Tokenizer load() const { return Tokenizer::load(kFolder + GetParam() + ".json"); }
};
INSTANTIATE_TEST_SUITE_P(, Family, testing::Values("gpt2", "llama3", "qwen2", "qwen3.5", "o200k"),
                         [](const auto& test) {
                           std::string name = test.param;
                           std::erase(name, '.');
                           return name;
                         });

TEST_P(Family, GivesTheIdsOfItsLibrary) { expect_ids(load(), GetParam()); }

TEST_P(Family, IsTheSameAfterItIsWrittenAndReadAgain) {
  const Tokenizer tokenizer = load();
  const auto description = nlohmann::json::parse(tokenizer.description().dump());
  const Tokenizer again = Tokenizer::described(description);
  expect_ids(again, GetParam());
  EXPECT_EQ(again.identity(), tokenizer.identity());
}

TEST_P(Family, EncodesAnyBytesAndDecodesThem) {
  const Tokenizer tokenizer = load();
  // Normalization changes text that is valid, so Qwen gets bytes that are not.
  const bool has_nfc = std::string(GetParam()).starts_with("qwen");
  std::mt19937 random(1);
  for (std::size_t size : {1, 31, 32, 33, 1001, 100'000}) {
    std::string bytes(size, '\0');
    for (char& byte : bytes) byte = static_cast<char>(has_nfc ? 0x80 + random() % 64 : random());
    EXPECT_EQ(tokenizer.decode(tokenizer.encode(bytes)), bytes);
  }
}

TEST_P(Family, GivesTheSameIdsForATextThatIsCut) {
  const Tokenizer tokenizer = load();
  std::string text;
  for (const auto& sample : expected()["texts"]) text += sample.get<std::string>();
  const Tokens whole = tokenizer.encode(text);
  // Arrives in parts of any size; what precedes the last cut is encoded alone.
  int cuts = 0;
  for (const std::size_t part : {1, 7, 64, 333}) {
    std::string waiting;
    Tokens tokens;
    const auto add = [&](std::string_view piece) {
      const Tokens more = tokenizer.encode(piece);
      tokens.insert(tokens.end(), more.begin(), more.end());
    };
    for (std::size_t at = 0; at < text.size(); at += part) {
      waiting += text.substr(at, part);
      if (const auto cut = tokenizer.last_cut(waiting)) {
        add(std::string_view(waiting).substr(0, *cut));
        waiting.erase(0, *cut);
        ++cuts;
      }
    }
    add(waiting);
    EXPECT_EQ(tokens, whole) << "in parts of " << part << " bytes";
  }
  EXPECT_GT(cuts, 100);
}

TEST(BytePairTokenizer, ReadsVocabularyAndMerges) {
  for (const char* path : {"gpt2/vocab.json", "gpt2/merges.txt", "gpt2"})
    expect_ids(Tokenizer::load(kFolder + path), "gpt2");
}

TEST(BytePairTokenizer, ReadsTiktokenFiles) {
  expect_ids(Tokenizer::load(kFolder + "cl100k.tiktoken", "cl100k"), "cl100k",
             SpecialTokens::as_text);
}

TEST(BytePairTokenizer, EncodesSpecialTokensAsTextIfAskedTo) {
  const Tokenizer tokenizer = Tokenizer::load(kFolder + "gpt2.json");
  expect_ids(tokenizer, "gpt2 as text", SpecialTokens::as_text);
  EXPECT_THAT(tokenizer.encode("<|endoftext|>"), ElementsAre(480));
}

TEST(BytePairTokenizer, DecodesATokenThatIsAPartOfACharacter) {
  const Tokenizer tokenizer = Tokenizer::load(kFolder + "gpt2.json");
  std::string text;
  for (const int32_t token : tokenizer.encode("🙂 <|endoftext|>é"))
    text += tokenizer.decode(Tokens{token});
  EXPECT_EQ(text, "🙂 <|endoftext|>é");
}

TEST(BytePairTokenizer, RejectsAnIdThatIsNoToken) {
  const Tokenizer tokenizer = Tokenizer::load(kFolder + "gpt2.json");
  EXPECT_THROW(tokenizer.decode(Tokens{481}), DataError);
  EXPECT_THROW(tokenizer.decode(Tokens{-1}), DataError);
}

TEST(BytePairTokenizer, HasAnIdentityThatTellsVocabulariesApart) {
  EXPECT_NE(Tokenizer::load(kFolder + "gpt2.json").identity(),
            Tokenizer::load(kFolder + "llama3.json").identity());
}

// The text of expected.json in parts of a few bytes.
std::function<std::optional<std::string>()> parts_of(const std::string& text, std::size_t bytes) {
  return [&text, bytes, at = std::size_t{0}]() mutable -> std::optional<std::string> {
    if (at >= text.size()) return std::nullopt;
    const std::string part = text.substr(at, bytes);
    at += bytes;
    return part;
  };
}

TEST(TokenizerTraining, FindsTheMergesOfHuggingFacesTrainer) {
  const auto text = expected()["trained_on"].get<std::string>();
  const Tokenizer tokenizer =
      Tokenizer::train({.vocabulary_size = 481}, parts_of(text, text.size()));
  const auto json = nlohmann::json::parse(tokenizer.tokenizer_json());
  EXPECT_EQ(json["model"]["merges"], expected()["merges"]);
  expect_ids(tokenizer, "gpt2");
}

TEST(TokenizerTraining, DoesNotDependOnThreadsAndCuts) {
  const auto text = expected()["trained_on"].get<std::string>();
  const auto train = [&](int threads, std::size_t bytes) {
    return Tokenizer::train({.vocabulary_size = 400, .threads = threads}, parts_of(text, bytes))
        .identity();
  };
  const std::string once = train(1, text.size());
  EXPECT_EQ(train(1, 1), once);
  EXPECT_EQ(train(3, 100), once);
}

TEST(TokenizerTraining, StopsWhenNothingIsLeftToMerge) {
  const std::string text = "ab ab";
  const Tokenizer tokenizer = Tokenizer::train({}, parts_of(text, 2));
  EXPECT_EQ(tokenizer.vocabulary_size(), 259);  // the bytes, ab, " ab" and the special token
  EXPECT_EQ(tokenizer.encode("ab ab").size(), 2u);
}

TEST(TokenizerTraining, RejectsInvalidOptions) {
  const std::string text = "text";
  const auto train = [&](const TokenizerTraining& options) {
    Tokenizer::train(options, parts_of(text, 4));
  };
  EXPECT_THROW(train({.vocabulary_size = 256}), ConfigurationError);
  EXPECT_THROW(train({.pattern = "gpt3"}), ConfigurationError);
  EXPECT_THROW(train({.threads = 0}), ConfigurationError);
}

TEST(TokenizerTraining, RethrowsWhatTheTextsThrow) {
  const auto failing = []() -> std::optional<std::string> { throw StorageError("disk"); };
  EXPECT_THROW(Tokenizer::train({}, failing), StorageError);
}

}  // namespace
}  // namespace ripieno::io
