// Unicode as the tokenizers need it: the class of a character, and normalization form C. The data
// are those of Unicode 16.0.0 (scripts/write_unicode.py), whatever the system has.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "ripieno/io/data/tokenizers/unicode_tables.h"

namespace ripieno::io::unicode {

// Bits of a character's class. A character that has none of the first six is punctuation, a symbol,
// a control character or unassigned.
enum Class : uint8_t {
  kUpper = 1,      // Lu, Lt
  kLower = 2,      // Ll
  kUncased = 4,    // Lm, Lo
  kMark = 8,       // M
  kNumber = 16,    // N
  kSpace = 32,     // White_Space
  kLineEnd = 64,   // \r or \n
  kUnstable = 128  // its presence can mean that a text is not in normalization form C
};
inline constexpr uint8_t kLetter = kUpper | kLower | kUncased;

inline uint8_t class_of(char32_t character) {
  return kClasses[kBlocks[character / 128] * 128 + character % 128];
}

// A character of a text that may be anything: a byte that is not part of valid UTF-8 counts as a
// character of class 0.
struct Character {
  char32_t code;
  uint8_t bytes;  // 0 at the end of the text
  uint8_t classes;
  bool is_valid;
};
// The character that begins at `at`.
inline Character character_at(const char* at, const char* end) {
  if (at == end) return {0, 0, 0, false};
  const auto byte = [at](int i) { return static_cast<uint8_t>(at[i]); };
  const auto continues = [&](int i) { return (byte(i) & 0xc0) == 0x80; };
  const Character invalid{byte(0), 1, 0, false};
  const auto valid = [](uint32_t code, uint8_t bytes) {
    return Character{code, bytes, class_of(code), true};
  };
  const uint32_t first = byte(0);
  if (first < 0x80) return valid(first, 1);
  if (first < 0xe0) {
    if (first < 0xc2 || end - at < 2 || !continues(1)) return invalid;
    return valid((first & 0x1f) << 6 | (byte(1) & 0x3f), 2);
  }
  if (first < 0xf0) {
    if (end - at < 3 || !continues(1) || !continues(2)) return invalid;
    const uint32_t code = (first & 0x0f) << 12 | (byte(1) & 0x3fu) << 6 | (byte(2) & 0x3f);
    return code < 0x800 || code >> 11 == 0x1b ? invalid : valid(code, 3);  // 0x1b: surrogates
  }
  if (first > 0xf4 || end - at < 4 || !continues(1) || !continues(2) || !continues(3))
    return invalid;
  const uint32_t code =
      (first & 7) << 18 | (byte(1) & 0x3fu) << 12 | (byte(2) & 0x3fu) << 6 | (byte(3) & 0x3f);
  return code < 0x10000 || code > 0x10ffff ? invalid : valid(code, 4);
}
// The character that ends at `at`, which is above `begin`.
Character character_before(const char* begin, const char* at);

// Whether `text` has characters that to_nfc() may change. Fast; nearly every text has none.
bool may_need_nfc(std::string_view text);
// The text in normalization form C. Bytes that are not valid UTF-8 are left as they are.
std::string to_nfc(std::string_view text);

}  // namespace ripieno::io::unicode
