// Sealed JSON: a JSON object whose last member is the XXH3 checksum of the bytes before it. Used
// for manifests and the side files of shards. Not installed.
#pragma once

#include <string>
#include <string_view>

#include "ripieno/io/files/json.h"

namespace ripieno::io {

// Returns the complete object with its checksum. `members`: the text of the object without braces.
std::string seal(std::string_view members);
// Whether the text ends like a sealed one, even if a bit of that end is damaged. False for a
// truncated text; the checksum is not verified.
bool ends_with_seal(std::string_view text);
// Verifies the checksum and parses. Throws DataError if any bit differs from what seal() returned.
nlohmann::json unseal(std::string_view text);

}  // namespace ripieno::io
