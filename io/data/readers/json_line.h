// Reads one field of a line of JSON, without building a tree of all of them.
#pragma once

#include <string>
#include <string_view>

namespace ripieno::io {

// Nested arrays and objects beyond this depth are refused.
inline constexpr int kMostJsonDepth = 256;

// Sets `text` to the string in the field `field` of `line`, a JSON object (RFC 8259); of the last
// one, if the object has several of that name. Throws DataError, without the name of the file, if
// the line is not a valid JSON object or the field is missing or not a string.
void read_json_field(std::string_view line, std::string_view field, std::string& text);

}  // namespace ripieno::io
