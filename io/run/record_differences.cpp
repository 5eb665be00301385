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

// Set by the launcher and the scheduler, in each job to something else.
constexpr std::string_view kOfJob[] = {"environment.OMPI_", "environment.PMIX_",
                                       "environment.PRTE_", "environment.SLURM_"};

bool is_of_job(std::string_view key) {
  return std::any_of(std::begin(kOfJob), std::end(kOfJob),
                     [&](auto prefix) { return key.starts_with(prefix); });
}

// The settings say what the command asks for, except for names of files.
bool has_settings(const Json& start) {
  return start.is_object() && start.contains("origins") && start.contains("configuration");
}

Values values_of(const Json& start, bool leaves_out_command) {
  Values values;
  if (!start.is_object()) return values;
  for (const auto& [name, value] : start.items()) {
    const bool is_left_out =
        std::find(std::begin(kLeftOut), std::end(kLeftOut), name) != std::end(kLeftOut);
    if (!is_left_out && !(leaves_out_command && name == "command")) flatten(value, name, values);
  }
  std::erase_if(values, [](const auto& value) { return is_of_job(value.first); });
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
  const bool leaves_out_command = std::all_of(starts.begin(), starts.end(), has_settings);
  for (std::size_t run = 0; run < starts.size(); ++run) {
    for (auto& [key, value] : values_of(starts[run], leaves_out_command)) {
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
