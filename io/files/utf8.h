// UTF-8 text as Unicode characters, and back, for the tokenizers.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace ripieno::io {

// The character that begins at byte `at`, which moves past it. Throws DataError where the bytes are
// not UTF-8.
char32_t next_character(std::string_view text, std::size_t& at);
void append_character(std::string& text, char32_t character);
// A character as a message shows it: 'é' (U+00E9).
std::string shown(char32_t character);

}  // namespace ripieno::io
