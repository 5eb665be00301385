// The known key that was most likely meant by an unknown one, for error messages.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace ripieno {

// The number of insertions, deletions and replacements that turn `a` into `b` (Levenshtein, 1966).
std::size_t edit_distance(std::string_view a, std::string_view b);

// The element of `keys` ("section.name" each, at least one) that is most similar to `key`. A wrong
// or missing section and a name shortened to its initials (lr) each count as one edit.
const std::string& nearest_key(const std::vector<std::string>& keys, std::string_view key);

}  // namespace ripieno
