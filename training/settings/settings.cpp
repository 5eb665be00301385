#include "ripieno/training/settings/settings.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <concepts>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <utility>

#include "ripieno/core/error.h"
#include "ripieno/training/settings/checked_toml.h"
#include "ripieno/training/settings/help_text.h"
#include "ripieno/training/settings/nearest_key.h"

namespace ripieno {
namespace {

constexpr const char* kAuto = "auto";

std::string limits(const Accepts& accepts) {
  std::string text;
  if (std::isfinite(accepts.minimum)) {
    text +=
        fmt::format("{} {}", accepts.above_minimum ? " above" : " of at least", accepts.minimum);
  }
  if (std::isfinite(accepts.maximum))
    text += fmt::format(" and {} {}", accepts.below_maximum ? "below" : "at most", accepts.maximum);
  return text;
}

const std::vector<std::string>& choices_of(const Settings::Variable& variable,
                                           const Accepts& accepts) {
  const auto* choice = std::get_if<Choice>(&variable);
  return choice ? choice->names : accepts.choices;
}

template <typename T>
std::string accepted_values(const std::optional<T>*, const std::string& limits) {
  return "\"auto\" or an integer" + limits;
}
std::string accepted_values(const std::optional<double>*, const std::string& limits) {
  return "\"auto\" or a number" + limits;
}
std::string accepted_values(const std::optional<bool>*, const std::string&) {
  return "\"auto\", true or false";
}
std::string accepted_values(const std::vector<int64_t>*, const std::string& limits) {
  return "a list of integers" + (limits.empty() ? "" : ", each" + limits);
}
std::string accepted_values(const std::vector<std::string>*, const std::string&) {
  return "a string or a list of strings, as [\"one\", \"two\"]";
}
template <std::integral T>
std::string accepted_values(const T*, const std::string& limits) {
  return "an integer" + limits;
}
std::string accepted_values(const bool*, const std::string&) { return "true or false"; }
std::string accepted_values(const double*, const std::string& limits) {
  return "a number" + limits;
}
std::string accepted_values(const std::string*, const std::string&) { return "a string"; }
std::string accepted_values(const Choice&, const std::string&) { return "a string"; }

std::string accepted_values(const Settings::Variable& variable, const Accepts& accepts) {
  const auto& choices = choices_of(variable, accepts);
  if (!choices.empty()) return fmt::format("one of {}", fmt::join(choices, ", "));
  return std::visit([&](const auto& pointer) { return accepted_values(pointer, limits(accepts)); },
                    variable);
}

bool in_range(double value, const Accepts& accepts) {
  if (accepts.above_minimum && value <= accepts.minimum) return false;
  if (accepts.below_maximum && value >= accepts.maximum) return false;
  return value >= accepts.minimum && value <= accepts.maximum;  // false for NaN
}

// Each returns false, and leaves the variable unchanged, if `node` is not a value that it accepts.
bool assign(bool* variable, const toml::node& node, const Accepts&) {
  const auto value = node.value_exact<bool>();
  if (value) *variable = *value;
  return value.has_value();
}

template <std::integral T>
bool assign(T* variable, const toml::node& node, const Accepts& accepts) {
  const auto value = node.value_exact<int64_t>();
  if (!value || !std::in_range<T>(*value)) return false;
  if (!in_range(static_cast<double>(*value), accepts)) return false;
  *variable = static_cast<T>(*value);
  return true;
}

bool assign(double* variable, const toml::node& node, const Accepts& accepts) {
  if (!node.is_number()) return false;
  const auto value = node.value<double>();
  if (!value || !std::isfinite(*value) || !in_range(*value, accepts)) return false;
  *variable = *value;
  return true;
}

template <typename T>
bool assign(std::optional<T>* variable, const toml::node& node, const Accepts& accepts) {
  T value{};
  const bool is_auto = node.value_exact<std::string>() == kAuto;
  if (!is_auto && !assign(&value, node, accepts)) return false;
  *variable = is_auto ? std::nullopt : std::optional(value);
  return true;
}

bool assign(std::string* variable, const toml::node& node, const Accepts& accepts) {
  const auto value = node.value_exact<std::string>();
  const auto& choices = accepts.choices;
  if (!value) return false;
  if (!choices.empty() && std::find(choices.begin(), choices.end(), *value) == choices.end()) {
    return false;
  }
  *variable = *value;
  return true;
}

bool choose(const Choice& choice, const std::string& name) {
  const auto found = std::find(choice.names.begin(), choice.names.end(), name);
  if (found == choice.names.end()) return false;
  choice.choose(static_cast<std::size_t>(found - choice.names.begin()));
  return true;
}

bool assign(const Choice& choice, const toml::node& node, const Accepts&) {
  const auto name = node.value_exact<std::string>();
  return name && choose(choice, *name);
}

template <typename T>
bool assign(std::vector<T>* variable, const toml::node& node, const Accepts& accepts) {
  const toml::array* array = node.as_array();
  if (!array) return false;
  std::vector<T> values(array->size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!assign(&values[i], *array->get(i), accepts)) return false;
  }
  *variable = std::move(values);
  return true;
}

// One string stands for a list of it.
bool assign(std::vector<std::string>* variable, const toml::node& node, const Accepts& accepts) {
  std::string only;
  if (!assign(&only, node, accepts)) return assign<std::string>(variable, node, accepts);
  *variable = {only};
  return true;
}

bool assign(const Settings::Variable& variable, const toml::node& node, const Accepts& accepts) {
  return std::visit([&](const auto& pointer) { return assign(pointer, node, accepts); }, variable);
}

std::string as_text(const toml::node& node) {
  std::ostringstream text;
  node.visit([&](const auto& value) { text << value; });
  std::string line = text.str();
  std::replace(line.begin(), line.end(), '\n', ' ');
  return line;
}

std::string read_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  file.peek();  // a directory can be opened, but not read
  if (!file.is_open() || file.bad()) {
    throw ConfigurationError(
        fmt::format("{}: cannot read the configuration: {}", path, std::strerror(errno)));
  }
  return {std::istreambuf_iterator<char>(file), {}};
}

// Throws toml::parse_error, and NotToml.
toml::table parse_toml(std::string_view text, const std::string& path) {
  // A key of many dots is a table in a table in …, whose recursive destruction would overflow the
  // stack.
  constexpr std::ptrdiff_t kMostDotsInALine = 1000;
  for (std::size_t begin = 0, end; begin < text.size(); begin = end + 1) {
    end = std::min(text.find('\n', begin), text.size());
    if (std::count(text.begin() + begin, text.begin() + end, '.') > kMostDotsInALine)
      throw NotToml("too many dots in a line");
  }
  return toml::parse(text, path);
}

// The number of the first line for which parse_toml() throws NotToml.
std::size_t line_that_is_not_toml(std::string_view text) {
  std::size_t line = 1;
  for (auto end = text.find('\n'); end != std::string_view::npos;
       end = text.find('\n', end + 1), ++line) {
    try {
      parse_toml(text.substr(0, end), "");
    } catch (const NotToml&) {
      break;
    } catch (const toml::parse_error&) {  // because the text is cut off here
    }
  }
  return line;
}

toml::table parse_file(const std::string& path) {
  const std::string text = read_text(path);
  try {
    return parse_toml(text, path);
  } catch (const NotToml&) {
    throw ConfigurationError(fmt::format("{}:{}: not valid TOML: this line has no valid key", path,
                                         line_that_is_not_toml(text)));
  } catch (const toml::parse_error& error) {
    throw ConfigurationError(fmt::format("{}:{}: not valid TOML: {}", path,
                                         error.source().begin.line, error.description()));
  }
}

// The value of an assignment as TOML; empty if it is not exactly one TOML value.
std::optional<toml::table> parse_value(std::string_view value) {
  try {
    toml::table table = parse_toml(fmt::format("value = {}", value), "");
    if (table.size() == 1) return table;
  } catch (const toml::parse_error&) {
  } catch (const NotToml&) {
  }
  return std::nullopt;
}

template <typename T>
nlohmann::json to_json(const std::optional<T>* number) {
  return *number ? nlohmann::json(**number) : nlohmann::json(kAuto);
}
template <typename T>
nlohmann::json to_json(const T* variable) {
  return *variable;
}
nlohmann::json to_json(const Choice& choice) { return choice.names.at(choice.chosen()); }

nlohmann::json to_json(const Settings::Variable& variable) {
  return std::visit([](const auto& pointer) { return to_json(pointer); }, variable);
}

// Each returns false if `value` has another type or is out of the range of the variable.
bool restore(bool* variable, const nlohmann::json& value) {
  if (value.is_boolean()) *variable = value.get<bool>();
  return value.is_boolean();
}
template <std::integral T>
bool restore(T* variable, const nlohmann::json& value) {
  const bool fits = value.is_number_unsigned()  ? std::in_range<T>(value.get<uint64_t>())
                    : value.is_number_integer() ? std::in_range<T>(value.get<int64_t>())
                                                : false;
  if (fits) *variable = value.get<T>();
  return fits;
}
bool restore(double* variable, const nlohmann::json& value) {
  if (value.is_number()) *variable = value.get<double>();
  return value.is_number();
}
template <typename T>
bool restore(std::optional<T>* variable, const nlohmann::json& value) {
  T known{};
  const bool is_auto = value == kAuto;
  if (!is_auto && !restore(&known, value)) return false;
  *variable = is_auto ? std::nullopt : std::optional(known);
  return true;
}
bool restore(std::string* variable, const nlohmann::json& value) {
  if (value.is_string()) *variable = value.get<std::string>();
  return value.is_string();
}
template <typename T>
bool restore(std::vector<T>* variable, const nlohmann::json& value) {
  if (!value.is_array()) return false;
  std::vector<T> values(value.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!restore(&values[i], value[i])) return false;
  }
  *variable = std::move(values);
  return true;
}
bool restore(std::vector<std::string>* variable, const nlohmann::json& value) {
  if (!value.is_string()) return restore<std::string>(variable, value);
  *variable = {value.get<std::string>()};
  return true;
}
bool restore(const Choice& choice, const nlohmann::json& value) {
  return value.is_string() && choose(choice, value.get<std::string>());
}

std::pair<std::string, std::string> split_key(const std::string& key) {
  const auto dot = key.find('.');
  return {key.substr(0, dot), key.substr(dot + 1)};
}

}  // namespace

void require_given(const std::string& key, const std::string& value) {
  if (!value.empty()) return;
  throw ConfigurationError(fmt::format(
      "{0} is not set but required; set it in the configuration file or by --set {0}=…", key));
}

std::string string_in_file(const std::string& path, const std::string& key) {
  const auto [section, name] = split_key(key);
  const toml::table file = parse_file(path);
  return file[section][name].value_exact<std::string>().value_or("");
}

void Settings::add(std::string key, Variable variable, std::string help, Accepts accepts) {
  if (key.find('.') == std::string::npos) {
    fail(fmt::format("Settings: key {} has no section; it must be section.name", key));
  }
  if (const auto* choice = std::get_if<Choice>(&variable);
      choice && choice->chosen() >= choice->names.size()) {
    fail(fmt::format("Settings: the current value of {} is not among its choices", key));
  }
  entries_.push_back({std::move(key), std::move(variable), std::move(help), std::move(accepts)});
}

void Settings::read(const std::string& path) {
  const toml::table file = parse_file(path);
  const auto at = [&](const toml::node& node) {
    return fmt::format("{}:{}", path, node.source().begin.line);
  };
  for (const auto& [section, content] : file) {
    const toml::table* keys = content.as_table();
    if (!keys) entry(section.str(), at(content));  // a key outside a section; always throws
    for (const auto& [name, node] : *keys) {
      auto& known = entry(fmt::format("{}.{}", section.str(), name.str()), at(node));
      if (!assign(known.variable, node, known.accepts)) {
        throw ConfigurationError(fmt::format("{}: {} must be {}, got {}", at(node), known.key,
                                             accepted_values(known.variable, known.accepts),
                                             as_text(node)));
      }
      known.origin = at(node);
    }
  }
}

void Settings::set(const std::string& assignment, const std::string& origin) {
  const auto equals = assignment.find('=');
  const std::string where = "--set " + assignment;
  if (equals == std::string::npos) {
    throw ConfigurationError(where + ": no '=' found; use --set section.key=value");
  }
  auto& known = entry(std::string_view(assignment).substr(0, equals), where);
  const std::string before = std::exchange(known.origin, origin);
  const std::string value = assignment.substr(equals + 1);
  const auto table = parse_value(value);
  if (table && assign(known.variable, *table->get("value"), known.accepts)) return;
  const bool is_quoted = table && table->get("value")->is_string();
  if (!is_quoted && assign(known.variable, toml::value<std::string>(value), known.accepts)) return;
  known.origin = before;
  throw ConfigurationError(fmt::format("{}: {} must be {}", where, known.key,
                                       accepted_values(known.variable, known.accepts)));
}

void Settings::restore(const nlohmann::json& values) {
  for (auto& entry : entries_) {
    const auto [section, name] = split_key(entry.key);
    if (!values.contains(section) || !values[section].contains(name)) continue;
    const nlohmann::json& value = values[section][name];
    const auto take = [&](const auto& variable) { return ripieno::restore(variable, value); };
    if (std::visit(take, entry.variable)) {
      entry.origin = "checkpoint";
      continue;
    }
    throw DataError(fmt::format("the stored value of {} must be {}, got {}", entry.key,
                                accepted_values(entry.variable, entry.accepts), value.dump()));
  }
}

void Settings::may_change(const std::string& key) {
  for (auto& entry : entries_) entry.may_change = entry.may_change || entry.key == key;
}

nlohmann::json Settings::fixed_values(const std::string& section) const {
  nlohmann::json values = nlohmann::json::object();
  for (const auto& entry : entries_) {
    const auto [of, name] = split_key(entry.key);
    if (of == section && !entry.may_change) values[name] = to_json(entry.variable);
  }
  return values;
}

nlohmann::json Settings::values() const {
  nlohmann::json values = nlohmann::json::object();
  for (const auto& entry : entries_) {
    const auto [section, name] = split_key(entry.key);
    values[section][name] = to_json(entry.variable);
  }
  return values;
}

nlohmann::json Settings::origins() const {
  nlohmann::json origins = nlohmann::json::object();
  for (const auto& entry : entries_) {
    const auto [section, name] = split_key(entry.key);
    origins[section][name] = entry.origin;
  }
  return origins;
}

std::string Settings::listing(int columns) const {
  std::vector<std::string> sections;  // in the order of their first key
  for (const auto& entry : entries_) {
    const std::string section = split_key(entry.key).first;
    if (std::find(sections.begin(), sections.end(), section) == sections.end())
      sections.push_back(section);
  }
  std::string text;
  for (const auto& section : sections) {
    text += fmt::format("\n[{}]\n", section);
    for (const auto& entry : entries_) {
      if (split_key(entry.key).first == section) text += description(entry, columns);
    }
  }
  return text;
}

std::string Settings::description(const Entry& entry, int columns) {
  const auto& choices = choices_of(entry.variable, entry.accepts);
  std::string help = entry.help;
  if (!choices.empty()) help += fmt::format("; one of {}", fmt::join(choices, ", "));
  return fmt::format("  {} = {}\n{}\n", entry.key, to_json(entry.variable).dump(),
                     wrapped(help, columns, 6));
}

Settings::Entry& Settings::entry(std::string_view key, const std::string& where) {
  for (auto& entry : entries_) {
    if (entry.key == key) return entry;
  }
  throw ConfigurationError(
      fmt::format("{}: unknown key {}; did you mean {}?", where, key, nearest(key)));
}

std::string Settings::nearest(std::string_view key) const {
  std::vector<std::string> keys;
  for (const auto& entry : entries_) keys.push_back(entry.key);
  return nearest_key(keys, key);
}

}  // namespace ripieno
