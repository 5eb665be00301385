// The printable characters that stand for the 256 bytes in the files of byte-level tokenizers. Not
// installed.
//
// The printable Latin-1 characters other than the space stand for themselves; the other 68 bytes
// are U+0100 and the next ones, in order.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ripieno::io {

// The character of each byte.
const std::array<char32_t, 256>& byte_characters();
// The bytes that the characters stand for; nullopt if one is not in the alphabet.
std::optional<std::string> bytes_of_characters(std::string_view characters);
// The characters, in UTF-8, that stand for the bytes.
std::string characters_of_bytes(std::string_view bytes);

}  // namespace ripieno::io
