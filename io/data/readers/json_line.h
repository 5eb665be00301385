// Reads fields of a line of JSON, without building a tree of all of them.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ripieno::io {

// Nested arrays and objects beyond this depth are refused.
inline constexpr int kMostJsonDepth = 256;

// Sets `texts` to the strings in the fields `names` of `line`, a JSON object (RFC 8259); to the
// last one, if the object has several of a name. Throws DataError, without the name of the file, if
// the line is not a valid JSON object or a field is missing or not a string.
void read_json_fields(std::string_view line, std::span<const std::string> names,
                      std::span<std::string> texts);
void read_json_field(std::string_view line, const std::string& name, std::string& text);

// The field `name` as a conversation: [{"role": "user", "content": "…"}, …], which must not be
// empty. Throws as read_json_fields().
struct JsonMessage {
  std::string role, content;
};
std::vector<JsonMessage> read_json_messages(std::string_view line, std::string_view name);

}  // namespace ripieno::io
