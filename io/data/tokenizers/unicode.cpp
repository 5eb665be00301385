#include "ripieno/io/data/tokenizers/unicode.h"

#include <algorithm>
#include <vector>

#include "ripieno/io/files/utf8.h"

namespace ripieno::io::unicode {
namespace {

// Hangul syllables are composed of a leading consonant, a vowel and perhaps a trailing consonant,
// by arithmetic (The Unicode Standard, section 3.12).
constexpr char32_t kSyllables = 0xac00, kLeads = 0x1100, kVowels = 0x1161, kTrails = 0x11a7;
constexpr char32_t kLeadCount = 19, kVowelCount = 21, kTrailCount = 28;
constexpr char32_t kSyllableCount = kLeadCount * kVowelCount * kTrailCount;

bool is_in(char32_t code, char32_t first, char32_t count) {
  return code >= first && code < first + count;
}

uint8_t combining_class(char32_t code) {
  const CombiningRange* end = kCombining + kCombiningCount;
  const CombiningRange* found = std::lower_bound(
      kCombining, end, code,
      [](const CombiningRange& range, char32_t value) { return range.last < value; });
  return found != end && found->first <= code ? found->combining_class : 0;
}

void decompose(char32_t code, std::vector<char32_t>& out) {
  if (is_in(code, kSyllables, kSyllableCount)) {
    const char32_t index = code - kSyllables;
    out.push_back(kLeads + index / (kVowelCount * kTrailCount));
    out.push_back(kVowels + index / kTrailCount % kVowelCount);
    if (index % kTrailCount != 0) out.push_back(kTrails + index % kTrailCount);
    return;
  }
  const Decomposition* end = kDecompositions + kDecompositionCount;
  const Decomposition* found = std::lower_bound(
      kDecompositions, end, code, [](const Decomposition& decomposition, char32_t value) {
        return decomposition.code < value;
      });
  if (found == end || found->code != code) {
    out.push_back(code);
    return;
  }
  decompose(found->first, out);  // at most a few levels deep: the table is acyclic
  if (found->second != 0) decompose(found->second, out);
}

// The composition of two characters; 0 if they have none.
char32_t composed(char32_t first, char32_t second) {
  if (is_in(first, kLeads, kLeadCount) && is_in(second, kVowels, kVowelCount))
    return kSyllables + ((first - kLeads) * kVowelCount + (second - kVowels)) * kTrailCount;
  if (is_in(first, kSyllables, kSyllableCount) && (first - kSyllables) % kTrailCount == 0 &&
      is_in(second, kTrails + 1, kTrailCount - 1))
    return first + (second - kTrails);
  const auto before = [](const Composition& composition,
                         const std::pair<char32_t, char32_t>& pair) {
    return std::pair(composition.first, composition.second) < pair;
  };
  const Composition* end = kCompositions + kCompositionCount;
  const Composition* found = std::lower_bound(kCompositions, end, std::pair(first, second), before);
  return found != end && found->first == first && found->second == second ? found->code : 0;
}

// Sorts each sequence of combining characters by class.
void reorder(std::vector<char32_t>& codes) {
  const auto is_starter = [](char32_t code) { return combining_class(code) == 0; };
  for (auto at = codes.begin(); at != codes.end();) {
    const auto begin = std::find_if_not(at, codes.end(), is_starter);
    at = std::find_if(begin, codes.end(), is_starter);
    std::stable_sort(begin, at, [](char32_t left, char32_t right) {
      return combining_class(left) < combining_class(right);
    });
  }
}

// Composes decomposed and reordered characters, in place.
void compose(std::vector<char32_t>& codes) {
  std::size_t size = 0;
  std::size_t starter = codes.size();  // of the last starter; codes.size() before the first
  int last_class = -1;  // of the last character kept after the starter; -1 directly after it
  for (const char32_t code : codes) {
    const int combining = combining_class(code);
    const bool is_blocked = last_class >= combining;
    const char32_t whole =
        starter == codes.size() || is_blocked ? 0 : composed(codes[starter], code);
    if (whole != 0) {
      codes[starter] = whole;
      continue;
    }
    if (combining == 0) {
      starter = size;
      last_class = -1;
    } else {
      last_class = combining;
    }
    codes[size++] = code;
  }
  codes.resize(size);
}

void append_normalized(std::string_view text, std::string& out) {
  std::vector<char32_t> codes;
  const char* end = text.data() + text.size();
  for (const char* at = text.data(); at != end;) {
    const Character character = character_at(at, end);
    decompose(character.code, codes);
    at += character.bytes;
  }
  reorder(codes);
  compose(codes);
  for (const char32_t code : codes) append_character(out, code);
}

}  // namespace

Character character_before(const char* begin, const char* at) {
  for (std::ptrdiff_t bytes = 2; bytes <= std::min<std::ptrdiff_t>(4, at - begin); ++bytes) {
    const Character character = character_at(at - bytes, at);
    if (character.is_valid && character.bytes == bytes) return character;
  }
  return character_at(at - 1, at);
}

bool may_need_nfc(std::string_view text) {
  const char* end = text.data() + text.size();
  for (const char* at = text.data(); at != end;) {
    // No character below U+0300 is unstable; its first byte is 0xcc.
    if (static_cast<uint8_t>(*at) < 0xcc) {
      ++at;
      continue;
    }
    const Character character = character_at(at, end);
    if (character.classes & kUnstable) return true;
    at += character.bytes;
  }
  return false;
}

std::string to_nfc(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  const char* end = text.data() + text.size();
  const char* previous = text.data();  // the last stable character
  const char* copied = text.data();
  for (const char* at = text.data(); at != end;) {
    const Character character = character_at(at, end);
    if (!(character.classes & kUnstable)) {
      previous = at;
      at += character.bytes;
      continue;
    }
    // The unstable characters from here on, with the one before them, are normalized alone: a
    // stable character never composes with what precedes it.
    const char* begin = character_at(previous, end).is_valid ? previous : at;
    while (at != end && character_at(at, end).classes & kUnstable)
      at += character_at(at, end).bytes;
    out.append(copied, begin);
    append_normalized({begin, at}, out);
    copied = previous = at;
  }
  return out.append(copied, end);
}

}  // namespace ripieno::io::unicode
