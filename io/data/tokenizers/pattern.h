// Pattern: the rule by which a tokenizer splits text into pieces before it merges bytes.
//
// The families of tokenizers write it as a regular expression. Here it is a row of parameters that
// a hand-written scanner reads; a regular expression in a file is only compared with the known
// ones.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace ripieno::io {

struct Pattern {
  enum class Words {
    letters,            // \p{L}+
    letters_and_marks,  // [\p{L}\p{M}]+
    by_case             // capitals, then small letters: "HelloWorld" is two words
  };
  enum class Contractions { lower_case, any_case, suffix };  // suffix: part of the word before it

  const char* name;
  Words words;
  Contractions contractions;
  // Whether a word may begin with any one character that is not a letter, a digit or a line end.
  // Otherwise words and numbers may begin with a space.
  bool any_prefix;
  int digits;               // most digits of a piece; 0: any number
  const char* after_marks;  // characters that a piece of punctuation takes along at its end
  bool ends_at_line;        // whether white space is split after its last line end
  bool keeps_last_space;    // whether white space at the end of the text is never split
};

// The pattern with this name (gpt2, cl100k, llama3, qwen2, qwen3.5 or o200k). Throws DataError,
// with the known names, if there is none.
const Pattern& pattern_named(std::string_view name);
// The pattern that a regular expression describes; nullptr if it is not a known one.
const Pattern* pattern_of_expression(std::string_view expression);
// The regular expression of a pattern, as files of Hugging Face have it.
const char* expression_of(const Pattern& pattern);

// Splits a text into pieces, from its beginning on.
class PieceScanner {
 public:
  PieceScanner(const Pattern& pattern, std::string_view text);
  // Fills `lengths` with the sizes in bytes of the next pieces, whose sum is the rest of the text
  // or more than what was scanned. Returns their number, 0 at the end of the text.
  std::size_t next(std::span<std::size_t> lengths);

 private:
  const char* (*scan_)(const char* at, const char* end);
  const char* at_;
  const char* end_;
};

// The last position of `text`, above `least` and at most `most`, at which every pattern begins a
// new piece, whatever precedes and follows: the pieces of both sides are those of the whole.
// nullopt if there is none. Normalization does not cross it either: what precedes it never composes
// with what follows.
std::optional<std::size_t> last_cut(std::string_view text, std::size_t least, std::size_t most);

}  // namespace ripieno::io
