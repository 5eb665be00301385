// The known key that someone who wrote an unknown one most likely meant, for messages.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace ripieno {

// Insertions, deletions and replacements that turn one into the other (Levenshtein, 1966).
std::size_t edit_distance(std::string_view a, std::string_view b);

// The key of `keys`, "section.name" each, nearest to `key`, also where only its section is wrong or
// missing. keys is not empty.
const std::string& nearest_key(const std::vector<std::string>& keys, std::string_view key);

}  // namespace ripieno
