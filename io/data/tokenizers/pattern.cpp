#include "ripieno/io/data/tokenizers/pattern.h"

#include <fmt/format.h>

#include <array>
#include <cstring>

#include "ripieno/core/error.h"
#include "ripieno/io/data/tokenizers/unicode.h"

namespace ripieno::io {
namespace {

using unicode::Character;
using unicode::character_at;
using Words = Pattern::Words;
using Contractions = Pattern::Contractions;

constexpr Pattern kGpt2{"gpt2", Words::letters, Contractions::lower_case, false, 0, "",
                        false,  false};
constexpr Pattern kCl100k{"cl100k", Words::letters, Contractions::any_case, true, 3, "\r\n", true,
                          true};
constexpr Pattern kLlama3{"llama3", Words::letters, Contractions::any_case, true, 3, "\r\n",
                          true,     false};
constexpr Pattern kQwen2{"qwen2", Words::letters, Contractions::any_case, true, 1, "\r\n",
                         true,    false};
constexpr Pattern kQwen35{
    "qwen3.5", Words::letters_and_marks, Contractions::any_case, true, 1, "\r\n", true, false};
constexpr Pattern kO200k{"o200k", Words::by_case, Contractions::suffix, true, 3, "\r\n/",
                         true,    false};

constexpr uint8_t kWhite = unicode::kSpace;
constexpr uint8_t kLetter = unicode::kLetter;

constexpr std::array<uint8_t, 128> ascii_classes() {
  std::array<uint8_t, 128> classes{};
  for (int c = 'A'; c <= 'Z'; ++c) classes[c] = unicode::kUpper;
  for (int c = 'a'; c <= 'z'; ++c) classes[c] = unicode::kLower;
  for (int c = '0'; c <= '9'; ++c) classes[c] = unicode::kNumber;
  for (int c = 9; c <= 13; ++c) classes[c] = kWhite;
  classes[' '] = kWhite;
  classes['\n'] = classes['\r'] = kWhite | unicode::kLineEnd;
  return classes;
}
constexpr auto kAscii = ascii_classes();

struct Seen {
  uint8_t classes;
  uint8_t bytes;  // 0 at the end of the text
};
inline Seen look(const char* at, const char* end) {
  if (at != end && static_cast<uint8_t>(*at) < 128) return {kAscii[*at], 1};
  const Character character = character_at(at, end);
  return {character.classes, character.bytes};
}

// The end of the run of characters from `at` on that have (or, if not kHas, have not) one of the
// classes kMask.
template <uint8_t kMask, bool kHas = true>
inline const char* skip(const char* at, const char* end) {
  while (at != end) {
    const Seen seen = look(at, end);
    if (((seen.classes & kMask) != 0) != kHas) break;
    at += seen.bytes;
  }
  return at;
}

// The length of 's, 't, 're, 've, 'm, 'll or 'd at `at`; 0 if there is none.
template <bool kAnyCase>
inline int contraction(const char* at, const char* end) {
  if (end - at < 2 || *at != '\'') return 0;
  const auto small = [](char c) {
    return kAnyCase && c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
  };
  const char first = small(at[1]);
  if (first == 's' || first == 't' || first == 'm' || first == 'd') return 2;
  if (end - at < 3) return 0;
  const char second = small(at[2]);
  if ((first == 'r' || first == 'v') && second == 'e') return 3;
  if (first == 'l' && second == 'l') return 3;
  // The long s, U+017F, is an s in the other case.
  return kAnyCase && at[1] == '\xc5' && at[2] == '\xbf' ? 3 : 0;
}

// A word by case without the character that may precede it: capitals, then small letters, where
// letters without case and marks are both. The end of the longest match; nullptr if there is none
// with a small letter.
inline const char* cased_letters(const char* at, const char* end) {
  constexpr uint8_t kBoth = unicode::kUncased | unicode::kMark;
  const char* last_of_both = nullptr;
  while (at != end) {
    const Seen seen = look(at, end);
    if (!(seen.classes & (unicode::kUpper | kBoth))) break;
    at += seen.bytes;
    if (seen.classes & kBoth) last_of_both = at;
  }
  const char* small = skip<unicode::kLower | kBoth>(at, end);
  return small != at ? small : last_of_both;
}

inline const char* cased_word(const char* at, Seen first, const char* end) {
  const bool has_prefix =
      !(first.classes & (unicode::kLineEnd | kLetter | unicode::kNumber)) && first.bytes != 0;
  const char* letters = has_prefix ? at + first.bytes : at;
  const char* found = cased_letters(letters, end);
  if (found == nullptr && first.classes & unicode::kMark) found = letters;
  if (found == nullptr) {
    found = skip<unicode::kUpper>(letters, end);
    if (found == letters) return nullptr;
  }
  return found + contraction<true>(found, end);
}

template <const Pattern& kPattern>
inline const char* word(const char* at, Seen first, const char* end) {
  if constexpr (kPattern.words == Words::by_case) return cased_word(at, first, end);
  constexpr uint8_t kWord =
      kLetter | (kPattern.words == Words::letters_and_marks ? unicode::kMark : 0);
  if (first.classes & kWord) return skip<kWord>(at + first.bytes, end);
  const bool is_prefix =
      kPattern.any_prefix ? !(first.classes & (unicode::kLineEnd | unicode::kNumber)) : *at == ' ';
  if (!is_prefix) return nullptr;
  const Seen second = look(at + first.bytes, end);
  if (!(second.classes & kWord)) return nullptr;
  return skip<kWord>(at + first.bytes + second.bytes, end);
}

template <const Pattern& kPattern>
inline const char* number(const char* at, const char* end) {
  if constexpr (kPattern.digits == 0) {
    const char* digits = at + (*at == ' ');
    const char* found = skip<unicode::kNumber>(digits, end);
    return found == digits ? nullptr : found;
  }
  const char* found = at;
  for (int i = 0; i < kPattern.digits && found != end; ++i) {
    const Seen seen = look(found, end);
    if (!(seen.classes & unicode::kNumber)) break;
    found += seen.bytes;
  }
  return found == at ? nullptr : found;
}

template <const Pattern& kPattern>
inline const char* punctuation(const char* at, const char* end) {
  constexpr uint8_t kOthers = kLetter | unicode::kNumber | kWhite |
                              (kPattern.words == Words::letters_and_marks ? unicode::kMark : 0);
  const char* marks = at + (*at == ' ');
  const char* found = skip<kOthers, false>(marks, end);
  if (found == marks) return nullptr;
  if constexpr (*kPattern.after_marks != '\0') {
    while (found != end && *found != '\0' && std::strchr(kPattern.after_marks, *found)) ++found;
  }
  return found;
}

template <const Pattern& kPattern>
inline const char* white_space(const char* at, const char* end) {
  const char* last = at;           // where the last character begins
  const char* line_end = nullptr;  // after the last line end
  const char* found = at;
  while (found != end) {
    const Seen seen = look(found, end);
    if (!(seen.classes & kWhite)) break;
    last = found;
    found += seen.bytes;
    if (seen.classes & unicode::kLineEnd) line_end = found;
  }
  if (kPattern.keeps_last_space && found == end) return found;
  if (kPattern.ends_at_line && line_end != nullptr) return line_end;
  // The last white space before a word goes to the word.
  return found == end || last == at ? found : last;
}

// The end of the piece that begins at `at`, which is below `end`.
template <const Pattern& kPattern>
const char* end_of_piece(const char* at, const char* end) {
  if constexpr (kPattern.contractions != Contractions::suffix) {
    constexpr bool kAnyCase = kPattern.contractions == Contractions::any_case;
    if (const int bytes = contraction<kAnyCase>(at, end)) return at + bytes;
  }
  const Seen first = look(at, end);
  if (const char* found = word<kPattern>(at, first, end)) return found;
  if (const char* found = number<kPattern>(at, end)) return found;
  if (const char* found = punctuation<kPattern>(at, end)) return found;
  return white_space<kPattern>(at, end);
}

struct Known {
  const Pattern* pattern;
  const char* (*scan)(const char* at, const char* end);
  const char* expression;
};

template <const Pattern& kPattern>
constexpr Known known(const char* expression) {
  return {&kPattern, end_of_piece<kPattern>, expression};
}

#define CASED_WORDS                                                                  \
  R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+)"  \
  R"((?i:'s|'t|'re|'ve|'m|'ll|'d)?)"                                                 \
  R"(|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*)" \
  R"((?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
#define ANY_CASE R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|)"
#define LINES R"(\s*[\r\n]+|\s+(?!\S)|\s+)"

// The first row of a pattern has the expression that is written.
const Known kKnown[] = {
    known<kGpt2>(R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)"),
    known<kGpt2>(
        R"('(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s)"),
    known<kCl100k>(R"('(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+|)"
                   R"( ?[^\s\p{L}\p{N}]++[\r\n]*+)"
                   R"(|\s++$|\s*[\r\n]|\s+(?!\S)|\s)"),
    known<kLlama3>(ANY_CASE
                   R"([^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|)" LINES),
    known<kQwen2>(ANY_CASE R"([^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|)" LINES),
    known<kQwen35>(ANY_CASE R"([^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}|)"
                            R"( ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|)" LINES),
    known<kO200k>(CASED_WORDS R"(|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|)" LINES)};

}  // namespace

const Pattern& pattern_named(std::string_view name) {
  std::string names;
  for (const Known& known : kKnown) {
    if (known.pattern->name == name) return *known.pattern;
    if (names.find(known.pattern->name) == names.npos)
      names += (names.empty() ? "" : ", ") + std::string(known.pattern->name);
  }
  throw DataError(fmt::format("tokenizer: unknown pattern \"{}\"; must be one of {}", name, names));
}

const Pattern* pattern_of_expression(std::string_view expression) {
  for (const Known& known : kKnown) {
    if (known.expression == expression) return known.pattern;
  }
  return nullptr;
}

const char* expression_of(const Pattern& pattern) {
  for (const Known& known : kKnown) {
    if (known.pattern == &pattern) return known.expression;
  }
  fail("tokenizer: a pattern without an expression");
}

PieceScanner::PieceScanner(const Pattern& pattern, std::string_view text)
    : at_(text.data()), end_(text.data() + text.size()) {
  for (const Known& known : kKnown) {
    if (known.pattern == &pattern) scan_ = known.scan;
  }
}

std::size_t PieceScanner::next(std::span<std::size_t> lengths) {
  std::size_t count = 0;
  while (count < lengths.size() && at_ != end_) {
    const char* next = scan_(at_, end_);
    lengths[count++] = static_cast<std::size_t>(next - at_);
    at_ = next;
  }
  return count;
}

std::optional<std::size_t> last_cut(std::string_view text, std::size_t least, std::size_t most) {
  const char* begin = text.data();
  const char* end = begin + text.size();
  const char* at = begin + std::min(most, text.size());
  for (; at > begin + least; --at) {
    const Character right = character_at(at, end);
    if (!right.is_valid) continue;
    const Character left = unicode::character_before(begin, at);
    if (!left.is_valid) continue;
    const bool ends_word = left.classes & kLetter && right.code != '\'' &&
                           !(right.classes & (kLetter | unicode::kMark));
    const bool ends_number = left.classes & unicode::kNumber && !(right.classes & unicode::kNumber);
    const bool begins_with_space = right.code == ' ' && !(left.classes & kWhite);
    if (ends_word || ends_number || begins_with_space) return static_cast<std::size_t>(at - begin);
  }
  return std::nullopt;
}

}  // namespace ripieno::io
