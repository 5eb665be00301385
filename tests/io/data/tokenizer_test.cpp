#include "ripieno/io/data/tokenizer.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "ripieno/core/error.h"

namespace ripieno::io {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// The message of the exception that `act` throws.
template <typename Exception, typename Act>
std::string message_of(Act act) {
  try {
    act();
  } catch (const Exception& error) {
    return error.what();
  }
  return "nothing was thrown";
}

TEST(Tokenizer, NumbersCharactersInUnicodeOrder) {
  const Tokenizer tokenizer = Tokenizer::characters_of("bañañ\n€😀b");
  EXPECT_EQ(tokenizer.vocabulary_size(), 6);
  EXPECT_THAT(tokenizer.encode("\nabñ€😀"), ElementsAre(0, 1, 2, 3, 4, 5));
}

TEST(Tokenizer, DecodesWhatItEncodes) {
  const std::string text = "Ein Käse für 3 €, 漢字 & 😀\n";
  for (const Tokenizer& tokenizer : {Tokenizer::bytes(), Tokenizer::characters_of(text)}) {
    EXPECT_EQ(tokenizer.decode(tokenizer.encode(text)), text);
  }
}

TEST(Tokenizer, EncodesBytesUnchanged) {
  EXPECT_THAT(Tokenizer::bytes().encode("A\xff"), ElementsAre(65, 255));
}

TEST(Tokenizer, CanBeRestoredFromItsDescription) {
  const Tokenizer tokenizer = Tokenizer::characters_of("hé\"\\\n");
  const auto written = nlohmann::json::parse(tokenizer.description().dump());
  EXPECT_EQ(Tokenizer::described(written).encode("é\"\n"), tokenizer.encode("é\"\n"));
  EXPECT_EQ(Tokenizer::described(Tokenizer::bytes().description()).kind(), Tokenizer::Kind::bytes);
  EXPECT_EQ(
      Tokenizer::described(Tokenizer::external("gpt2", 50257).description()).vocabulary_size(),
      50257);
}

TEST(Tokenizer, NamesACharacterOutsideTheVocabularyInTheError) {
  const Tokenizer tokenizer = Tokenizer::characters_of("abc");
  EXPECT_THAT(message_of<DataError>([&] { tokenizer.encode("abé"); }), HasSubstr("'é' (U+00E9)"));
}

TEST(Tokenizer, RejectsATokenOutsideTheVocabulary) {
  const Tokenizer tokenizer = Tokenizer::characters_of("abc");
  EXPECT_THROW(tokenizer.decode(std::vector<int32_t>{3}), DataError);
  EXPECT_THROW(tokenizer.decode(std::vector<int32_t>{-1}), DataError);
}

TEST(Tokenizer, RejectsInvalidUtf8) {
  for (const char* text : {"a\x80", "a\xc3", "a\xc3z", "a\xc0\x80", "a\xe0\x80\x80",
                           "a\xed\xa0\x80", "a\xf4\x90\x80\x80", "a\xff"}) {
    EXPECT_THAT(message_of<DataError>([&] { Tokenizer::characters_of(text); }),
                HasSubstr("at byte 1;"));
  }
}

TEST(Tokenizer, RejectsATextThatEndsInsideACharacter) {
  EXPECT_THROW(Tokenizer::characters_of(std::string_view("aé", 2)), DataError);
}

TEST(Tokenizer, RejectsAnInvalidDescription) {
  for (const char* text :
       {"{}", "[]", R"({"kind": "words"})", R"({"kind": "characters"})", R"({"kind": 3})",
        R"({"kind": "external", "name": "gpt2", "vocabulary_size": 0})"}) {
    EXPECT_THROW(Tokenizer::described(nlohmann::json::parse(text)), DataError) << text;
  }
}

TEST(Tokenizer, OfAnotherProgramCannotEncodeOrDecode) {
  const Tokenizer tokenizer = Tokenizer::external("gpt2", 50257);
  EXPECT_THROW(tokenizer.encode("a"), Error);
  EXPECT_THROW(tokenizer.decode(std::vector<int32_t>{1}), Error);
}

}  // namespace
}  // namespace ripieno::io
