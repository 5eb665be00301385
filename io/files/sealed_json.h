// Sealed JSON: an object whose last member is the checksum of the bytes before it. For manifests
// and the side files of shards. Not installed.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace ripieno::io {

// `members` is the text of an object without its braces.
std::string seal(std::string_view members);
// Whether it ends as what seal() returned does, even where a bit of the end is damaged: a text that
// was cut short does not.
bool ends_with_seal(std::string_view text);
// Throws DataError where a single bit differs from what seal() returned.
nlohmann::json unseal(std::string_view text);

}  // namespace ripieno::io
