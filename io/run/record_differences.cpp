#include "ripieno/io/run/record_differences.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <string_view>

namespace ripieno::io {
namespace {

using Json = nlohmann::json;
using Values = std::map<std::string, std::string>;

// Times, measurements, and what follows from other keys.
constexpr std::string_view kLeftOut[] = {"started_at", "memory",   "parallel",
                                         "origins",    "progress", "cost"};
constexpr std::string_view kOrder[] = {"configuration", "data_fingerprint", "seed",       "version",
                                       "build",         "libraries",        "git",        "program",
                                       "command",       "world_size",       "devices",    "hosts",
                                       "threads",       "container",        "environment"};

std::string text_of(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_array() && !value.empty()) {  // "train_gpt --quiet"
    std::string words;
    for (const Json& item : value) words += (words.empty() ? "" : " ") + text_of(item);
    return words;
  }
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void flatten(const Json& value, const std::string& key, Values& values) {
  if (!value.is_object()) {
    values[key] = text_of(value);
    return;
  }
  for (const auto& [name, member] : value.items()) flatten(member, key + "." + name, values);
}

Values values_of(const Json& start) {
  Values values;
  if (!start.is_object()) return values;
  for (const auto& [name, value] : start.items()) {
    if (std::find(std::begin(kLeftOut), std::end(kLeftOut), name) == std::end(kLeftOut))
      flatten(value, name, values);
  }
  return values;
}

std::ptrdiff_t position_of(const std::string& key) {
  const std::string_view section = std::string_view(key).substr(0, key.find('.'));
  return std::find(std::begin(kOrder), std::end(kOrder), section) - std::begin(kOrder);
}

}  // namespace

Json last_start_of(const Json& record) {
  const auto starts = record.find("starts");
  if (starts == record.end() || !starts->is_array() || starts->empty()) return Json::object();
  return starts->back().is_object() ? starts->back() : Json::object();
}

std::vector<RecordDifference> record_differences(const std::vector<Json>& starts) {
  std::map<std::string, std::vector<std::optional<std::string>>> by_key;
  for (std::size_t run = 0; run < starts.size(); ++run) {
    for (auto& [key, value] : values_of(starts[run])) {
      auto& values = by_key[key];
      values.resize(starts.size());
      values[run] = value;
    }
  }
  std::vector<RecordDifference> differences;
  for (auto& [key, values] : by_key) {
    const bool is_same = std::all_of(values.begin(), values.end(),
                                     [&](const auto& value) { return value == values.front(); });
    if (!is_same) differences.push_back({key, std::move(values)});
  }
  std::stable_sort(differences.begin(), differences.end(), [](const auto& a, const auto& b) {
    return position_of(a.key) < position_of(b.key);
  });
  return differences;
}

}  // namespace ripieno::io
