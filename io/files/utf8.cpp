#include "ripieno/io/files/utf8.h"

#include <fmt/format.h>

#include <bit>
#include <cstdint>

#include "ripieno/core/error.h"

namespace ripieno::io {
namespace {

[[noreturn]] void not_utf8(std::size_t at) {
  throw DataError(fmt::format(
      "text: invalid UTF-8 at byte {}; convert the text to UTF-8, or use the byte tokenizer "
      "(data.tokenizer=bytes)",
      at));
}

// Length of a character in bytes, from its first byte; 0 if no character starts with it.
int length_of(uint8_t first) {
  const int ones = std::countl_one(first);
  if (ones == 0) return 1;
  return ones >= 2 && ones <= 4 ? ones : 0;
}

bool is_character(char32_t value, int length) {
  constexpr char32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};  // below: an overlong encoding
  const bool is_surrogate = value >= 0xd800 && value <= 0xdfff;
  return value >= kLeast[length] && value <= 0x10ffff && !is_surrogate;
}

}  // namespace

char32_t next_character(std::string_view text, std::size_t& at) {
  const auto byte = [&](std::size_t index) { return static_cast<uint8_t>(text[index]); };
  const int length = length_of(byte(at));
  if (length == 1) return byte(at++);
  if (length == 0 || at + length > text.size()) not_utf8(at);
  char32_t value = byte(at) & (0x7f >> length);
  for (int i = 1; i < length; ++i) {
    if (byte(at + i) >> 6 != 0b10) not_utf8(at);
    value = value << 6 | (byte(at + i) & 0x3f);
  }
  if (!is_character(value, length)) not_utf8(at);
  at += length;
  return value;
}

std::string valid_utf8(std::string_view text) {
  std::string valid;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = at;
    try {
      next_character(text, at);
      valid.append(text.substr(begin, at - begin));
    } catch (const DataError&) {
      append_character(valid, 0xfffd);
      at = begin + 1;
    }
  }
  return valid;
}

void append_character(std::string& text, char32_t character) {
  const auto append = [&](char32_t byte) { text.push_back(static_cast<char>(byte)); };
  if (character < 0x80) {
    append(character);
    return;
  }
  const int length = character < 0x800 ? 2 : character < 0x10000 ? 3 : 4;
  append((0xff00 >> length & 0xff) | character >> 6 * (length - 1));
  for (int i = length - 2; i >= 0; --i) append(0x80 | (character >> 6 * i & 0x3f));
}

std::string shown(char32_t character) {
  const auto number = fmt::format("U+{:04X}", static_cast<uint32_t>(character));
  if (character < 0x20 || character == 0x7f) return number;
  std::string quoted = "'";
  append_character(quoted, character);
  return quoted + "' (" + number + ")";
}

}  // namespace ripieno::io
