#include "ripieno/training/settings/nearest_key.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace ripieno {
namespace {

std::string_view name_of(std::string_view key) { return key.substr(key.find('.') + 1); }

// "lr" of "learning_rate".
std::string initials_of(std::string_view name) {
  std::string initials;
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (i == 0 || name[i - 1] == '_') initials += name[i];
  }
  return initials;
}

// A wrong section counts as one edit, and so does a name that is shortened to its initials.
std::size_t distance(std::string_view known, std::string_view written) {
  const std::string_view name = name_of(known), written_name = name_of(written);
  const bool is_shortened = written_name.size() > 1 && initials_of(name) == written_name;
  const std::size_t of_name = is_shortened ? 1 : edit_distance(name, written_name);
  const bool is_section_right =
      known.substr(0, known.find('.')) == written.substr(0, written.find('.'));
  return std::min(edit_distance(known, written), of_name + (is_section_right ? 0 : 1));
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
