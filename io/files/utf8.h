// Conversion between UTF-8 text and Unicode characters.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace ripieno::io {

// Decodes the character that starts at byte `at` and advances `at` past it. Throws DataError if the
// bytes are not valid UTF-8. `at` must be below text.size().
char32_t next_character(std::string_view text, std::size_t& at);
// `text` with each byte that is not part of a valid character replaced by U+FFFD.
std::string valid_utf8(std::string_view text);
void append_character(std::string& text, char32_t character);
// A character as shown in messages: 'é' (U+00E9).
std::string shown(char32_t character);

}  // namespace ripieno::io
