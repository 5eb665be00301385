#include "ripieno/training/settings/nearest_key.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace ripieno {
namespace {

std::string_view name_of(std::string_view key) { return key.substr(key.find('.') + 1); }

// A wrong section counts as one mistake.
std::size_t distance(std::string_view known, std::string_view written) {
  return std::min(edit_distance(known, written),
                  edit_distance(name_of(known), name_of(written)) + 1);
}

}  // namespace

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] != b[j]);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

const std::string& nearest_key(const std::vector<std::string>& keys, std::string_view key) {
  return *std::min_element(keys.begin(), keys.end(), [&](const auto& a, const auto& b) {
    return distance(a, key) < distance(b, key);
  });
}

}  // namespace ripieno
