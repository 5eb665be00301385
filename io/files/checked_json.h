// Checked JSON: access to members of untrusted JSON, for manifests and other file headers. All
// functions throw DataError with one line that states what was found and what is required; the
// caller adds the file name. Not installed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "ripieno/io/files/json.h"

namespace ripieno::io {

// Maximum nesting depth. No file of ours is nested deeper, and recursive code would overflow its
// stack.
inline constexpr int kDeepestJson = 100;

// Throws DataError with the byte offset at which the text is invalid or nested too deeply.
nlohmann::json parse_json(std::string_view text);

// The first 60 bytes of a value as ASCII JSON, for messages.
std::string excerpt(const nlohmann::json& value);

// Member `name` of `object`.
const nlohmann::json& member(const nlohmann::json& object, const char* name);
const std::string& text_member(const nlohmann::json& object, const char* name);
// An integer from 0 to `most`; count_of() takes the value, count_member() reads it from an object.
int64_t count_member(const nlohmann::json& object, const char* name, int64_t most = INT64_MAX);
int64_t count_of(const nlohmann::json& value, int64_t most = INT64_MAX);

// Calls read(element) for each element of the array `name` of `object`. Errors thrown by `read` are
// rethrown as DataError with "name[3]: " prepended.
void for_each_in(const nlohmann::json& object, const char* name,
                 const std::function<void(const nlohmann::json&)>& read);

}  // namespace ripieno::io
