// Settings: the configuration keys of a program.
//
// Each key has a name, the variable that it sets, the values that it accepts and a help text. This
// one table is used to read TOML files and --set, to check values, to print --help and to record
// the configuration in run.json.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "ripieno/io/files/json.h"

namespace ripieno {

// The values that a key accepts, beyond their type.
struct Accepts {
  double minimum = -std::numeric_limits<double>::infinity();
  double maximum = std::numeric_limits<double>::infinity();
  bool above_minimum = false;  // excludes the minimum itself
  bool below_maximum = false;  // excludes the maximum itself
  std::vector<std::string> choices = {};

  static Accepts at_least(double minimum) { return {.minimum = minimum}; }
  static Accepts positive() { return {.minimum = 0, .above_minimum = true}; }
  static Accepts positive(double maximum) {
    return {.minimum = 0, .maximum = maximum, .above_minimum = true};
  }
  // [0, 1): a decay rate or a momentum.
  static Accepts below_one() { return {.minimum = 0, .maximum = 1, .below_maximum = true}; }
  static Accepts between(double minimum, double maximum) {
    return {.minimum = minimum, .maximum = maximum};
  }
  static Accepts one_of(std::vector<std::string> choices) {
    return {.choices = std::move(choices)};
  }
};

// A variable that is set by the name of its value, such as an enumeration.
struct Choice {
  std::vector<std::string> names;
  std::function<std::size_t()> chosen;  // index in `names` of the current value
  std::function<void(std::size_t index)> choose;
};

// `values` holds the name of each value that `variable` can take, including its current one.
// `variable` must outlive the result.
template <typename T>
Choice choice(T* variable, const std::vector<std::pair<std::string, T>>& values) {
  std::vector<std::string> names;
  for (const auto& value : values) names.push_back(value.first);
  const auto chosen = [variable, values] {
    const auto is_current = [&](const auto& value) { return value.second == *variable; };
    return static_cast<std::size_t>(std::find_if(values.begin(), values.end(), is_current) -
                                    values.begin());
  };
  return {std::move(names), chosen,
          [variable, values](std::size_t index) { *variable = values.at(index).second; }};
}

// Throws ConfigurationError if `value`, the string that `key` is set to, is empty.
void require_given(const std::string& key, const std::string& value);

// The string that a key, "section.name", has in a TOML file; empty if the file does not set it, or
// not to a string. Throws ConfigurationError if the file cannot be read or is not TOML.
std::string string_in_file(const std::string& path, const std::string& key);

class Settings {
 public:
  // The variable that a key sets. Its value at the time of add() is the default. An empty optional
  // is written "auto": the program chooses the value. One string sets a list of strings to itself.
  using Variable =
      std::variant<bool*, int*, int64_t*, std::optional<int>*, std::optional<int64_t>*,
                   std::optional<std::size_t>*, std::optional<double>*, std::optional<bool>*,
                   double*, std::string*, std::vector<int64_t>*, std::vector<std::string>*, Choice>;

  // Adds a key, "section.name". `variable` must outlive this object. `help` is a noun phrase that
  // can be understood without the key's name: meaning, unit, and what 0 or "auto" means. The
  // default and the choices are added by listing().
  void add(std::string key, Variable variable, std::string help, Accepts accepts = {});

  // These throw ConfigurationError, which names the file and line (or the flag), the key, the
  // values that it accepts and, for an unknown key, the nearest known one.
  void read(const std::string& path);  // a TOML file
  // "section.name=value": value is TOML, or a bare string. `origin`: see origins().
  void set(const std::string& assignment, const std::string& origin = "--set");

  // Sets the keys in `values`, which are the values() of an earlier run. Keys that this object does
  // not have are ignored. Throws DataError for a value of the wrong type.
  void restore(const nlohmann::json& values);
  // The values of a section that must not change while a run continues, because the meaning of the
  // parameters depends on them: all keys but those that may_change() was called for.
  void may_change(const std::string& key);
  nlohmann::json fixed_values(const std::string& section) const;
  // All keys: {"section": {"name": value}}.
  nlohmann::json values() const;
  // What each value comes from, in the same form: "default", "gpt.toml:12" (file and line), "--set"
  // or another option, "checkpoint" (restore()).
  nlohmann::json origins() const;
  // All keys, grouped by section, with their default and help text, in lines of at most `columns`
  // columns where the words allow it:
  //
  //   [train]
  //     train.batch_size = 12
  //         global batch size: …
  std::string listing(int columns = 80) const;

 private:
  struct Entry {
    std::string key;
    Variable variable;
    std::string help;
    Accepts accepts;
    bool may_change = false;
    std::string origin = "default";
  };

  Entry& entry(std::string_view key, const std::string& where);
  static std::string description(const Entry& entry, int columns);
  std::string nearest(std::string_view key) const;

  std::vector<Entry> entries_;
};

}  // namespace ripieno
