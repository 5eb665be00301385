// Settings: the table of what a configuration may say, for programs and for whoever adds a key to
// one.
//
// One line a key: its name, the variable it sets (as a rule the option of the part that acts on
// it), what it accepts and what it means. From this table come the reading of files and of --set,
// the checks, the list that --help prints, and run.json.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace ripieno {

// What a number or a string must satisfy beyond its type.
struct Accepts {
  double minimum = -std::numeric_limits<double>::infinity();
  double maximum = std::numeric_limits<double>::infinity();
  bool above_minimum = false;  // the minimum itself is refused
  bool below_maximum = false;  // and the maximum
  std::vector<std::string> choices = {};

  static Accepts at_least(double minimum) { return {.minimum = minimum}; }
  static Accepts positive() { return {.minimum = 0, .above_minimum = true}; }
  static Accepts positive(double maximum) {
    return {.minimum = 0, .maximum = maximum, .above_minimum = true};
  }
  // As a decay or a momentum.
  static Accepts below_one() { return {.minimum = 0, .maximum = 1, .below_maximum = true}; }
  static Accepts between(double minimum, double maximum) {
    return {.minimum = minimum, .maximum = maximum};
  }
  static Accepts one_of(std::vector<std::string> choices) {
    return {.choices = std::move(choices)};
  }
};

// A variable whose values have names, as those of an enumeration.
struct Choice {
  std::vector<std::string> names;
  std::function<std::size_t()> chosen;  // the index of the variable's value among the names
  std::function<void(std::size_t index)> choose;
};

// `values` has each value that `variable` may take, and its name; the present one is among them.
template <typename T>
Choice choice(T* variable, const std::vector<std::pair<std::string, T>>& values) {
  std::vector<std::string> names;
  for (const auto& value : values) names.push_back(value.first);
  const auto chosen = [variable, values] {
    const auto is_its = [&](const auto& value) { return value.second == *variable; };
    return static_cast<std::size_t>(std::find_if(values.begin(), values.end(), is_its) -
                                    values.begin());
  };
  return {std::move(names), chosen,
          [variable, values](std::size_t index) { *variable = values.at(index).second; }};
}

// Throws ConfigurationError where a string that a program cannot do without is empty.
void require_given(const std::string& key, const std::string& value);

class Settings {
 public:
  // Where a setting is kept. Its value at the time of add() is the default.
  // An optional number that has none is left to the program: "auto".
  using Place = std::variant<bool*, int*, int64_t*, std::optional<int>*, std::optional<int64_t>*,
                             std::optional<std::size_t>*, double*, std::string*,
                             std::vector<int64_t>*, std::vector<std::string>*, Choice>;

  // `place` must outlive this table. `key` is "section.name".
  void add(std::string key, Place place, std::string help, Accepts accepts = {});

  // These throw ConfigurationError, which names the file and line (or the flag), the key, what it
  // takes, and for an unknown key the nearest one.
  void read(const std::string& path);       // a TOML file
  void set(const std::string& assignment);  // "section.name=value": value is TOML, or a bare string

  // Takes values() of an earlier run. Keys unknown here are left alone; throws DataError for
  // ill-typed ones.
  void restore(const nlohmann::json& values);
  // The values of a section whose keys give the parameters their meaning: another value is refused
  // where a run continues. Others are marked by may_change().
  void may_change(const std::string& key);
  nlohmann::json fixed_values(const std::string& section) const;
  // {"section": {"name": value}}, every key.
  nlohmann::json values() const;
  // One line a key: "  train.batch_size = 12   samples in a step …".
  std::string listing() const;

 private:
  struct Entry {
    std::string key;
    Place place;
    std::string help;
    Accepts accepts;
    bool may_change = false;
  };

  const Entry& entry(std::string_view key, const std::string& where) const;
  std::string nearest(std::string_view key) const;

  std::vector<Entry> entries_;
};

}  // namespace ripieno
