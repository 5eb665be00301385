// Checked JSON: members of a text that may be anything, for manifests and other headers. Everything
// throws DataError with one short line that says what is not as it must be. Not installed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace ripieno::io {

// Deeper JSON than this many levels is none of ours, and would overflow the stack of whatever walks
// over it.
inline constexpr int kDeepestJson = 100;

// Names the byte from which on the text is not JSON, or nested too deep.
nlohmann::json parse_json(std::string_view text);

// The beginning of a value, in ASCII: for messages.
std::string excerpt(const nlohmann::json& value);

const nlohmann::json& member(const nlohmann::json& object, const char* name);
const std::string& text_member(const nlohmann::json& object, const char* name);
// An integer from 0 to `most`.
int64_t count_member(const nlohmann::json& object, const char* name, int64_t most = INT64_MAX);
int64_t count_of(const nlohmann::json& value, int64_t most = INT64_MAX);

// Calls read(element) for each of the array `name`. What it throws gets "name[3]: " in front.
void for_each_in(const nlohmann::json& object, const char* name,
                 const std::function<void(const nlohmann::json&)>& read);

}  // namespace ripieno::io
