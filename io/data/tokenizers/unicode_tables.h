// The Unicode data behind unicode.h, in unicode_tables.cpp. Not installed.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ripieno::io::unicode {

// The classes of code point c: kClasses[kBlocks[c / 128] * 128 + c % 128].
extern const uint8_t kBlocks[0x110000 / 128];
extern const uint8_t kClasses[];

// The canonical decomposition of `code` in one step; `second` is 0 if it is a single character.
// Sorted by code. Hangul syllables are computed.
struct Decomposition {
  char32_t code, first, second;
};
extern const Decomposition kDecompositions[];
extern const std::size_t kDecompositionCount;

// The pairs that NFC composes. Sorted by (first, second).
struct Composition {
  char32_t first, second, code;
};
extern const Composition kCompositions[];
extern const std::size_t kCompositionCount;

// Canonical combining classes other than 0. Sorted; first and last are inclusive.
struct CombiningRange {
  char32_t first, last;
  uint8_t combining_class;
};
extern const CombiningRange kCombining[];
extern const std::size_t kCombiningCount;

}  // namespace ripieno::io::unicode
