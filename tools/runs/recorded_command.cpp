#include "ripieno/tools/runs/recorded_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <set>
#include <string_view>

#include "ripieno/core/error.h"

namespace ripieno::tools::runs {
namespace {

using nlohmann::json;

// Options whose effect is in the recorded configuration, or that say where and how long to run.
constexpr std::array<std::string_view, 9> kReplaced = {"--config", "--set",     "--run-dir",
                                                       "--steps",  "--resume",  "--threads",
                                                       "--seed",   "--profile", "--profile-steps"};
// Variables that change what is computed, rather than where.
constexpr std::array<std::string_view, 12> kVariables = {
    "RIPIENO_", "OMP_",  "GOMP_", "KMP_",   "MKL_",    "OPENBLAS_",
    "ONEDNN_",  "DNNL_", "CUDA_", "CUDNN_", "CUBLAS_", "NCCL_"};
constexpr std::string_view kRedacted = "(redacted)";

std::string text_in(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

[[noreturn]] void refuse(const std::string& name, const std::string& why) {
  throw DataError(fmt::format("{} cannot be repeated: {}", name, why));
}

// The words that the configuration does not replace.
std::vector<std::string> kept_options(const std::vector<std::string>& words) {
  std::vector<std::string> kept;
  for (std::size_t i = 1; i < words.size(); ++i) {
    const std::string_view option = std::string_view(words[i]).substr(0, words[i].find('='));
    if (std::find(kReplaced.begin(), kReplaced.end(), option) == kReplaced.end()) {
      kept.push_back(words[i]);
    } else if (option.size() == words[i].size()) {
      ++i;  // its value
    }
  }
  return kept;
}

// A repetition neither takes the address nor writes to the folder at which the run itself may still
// be watched. For the same reason it has no alerts.
bool acts_outside(std::string_view section, std::string_view key) {
  return section == "metrics" && (key == "prometheus_address" || key == "prometheus_directory");
}

// JSON writes strings, numbers, truth values and lists of these as TOML does, except for DEL.
std::string toml_of(const json& value) {
  std::string text;
  for (const char c : value.dump(-1, ' ', false, json::error_handler_t::replace))
    text += c == '\x7f' ? std::string("\\u007f") : std::string(1, c);
  return text;
}

std::string toml_of_sections(const json& configuration) {
  std::string text;
  for (const auto& [section, keys] : configuration.items()) {
    if (section == "hyperparameters" || section == "alerts" || !keys.is_object()) continue;
    text += fmt::format("[{}]\n", section);
    for (const auto& [key, value] : keys.items()) {
      if (!value.is_null() && !acts_outside(section, key))
        text += fmt::format("{} = {}\n", key, toml_of(value));
    }
    text += "\n";
  }
  return text;
}

std::vector<std::string> words_in(const json& start) {
  std::vector<std::string> words;
  const auto command = start.find("command");
  if (command == start.end() || !command->is_array()) return words;
  for (const auto& word : *command) {
    if (word.is_string()) words.push_back(word.get<std::string>());
  }
  return words;
}

std::map<std::string, std::string> environment_in(const json& start,
                                                  std::vector<std::string>& remarks) {
  std::map<std::string, std::string> environment;
  const auto recorded = start.find("environment");
  if (recorded == start.end() || !recorded->is_object()) return environment;
  for (const auto& [name, value] : recorded->items()) {
    const bool matters =
        std::any_of(kVariables.begin(), kVariables.end(),
                    [&, &variable = name](auto prefix) { return variable.starts_with(prefix); });
    if (!matters || !value.is_string()) continue;
    if (value == kRedacted) {
      remarks.push_back(
          fmt::format("the value of {} is not recorded; it is taken from here", name));
    } else {
      environment[name] = value.get<std::string>();
    }
  }
  return environment;
}

int ranks_in(const json& start) {
  const auto size = start.find("world_size");
  const bool is_size = size != start.end() && size->is_number_integer() && *size >= 1;
  return is_size ? static_cast<int>(std::min<int64_t>(size->get<int64_t>(), 1'000'000)) : 1;
}

std::size_t hosts_in(const json& start) {
  const auto hosts = start.find("hosts");
  std::set<std::string> names;
  if (hosts == start.end() || !hosts->is_array()) return 0;
  for (const auto& host : *hosts) names.insert(host.dump());
  return names.size();
}

}  // namespace

RecordedCommand recorded_command(const json& record, const std::string& name) {
  const auto starts = record.find("starts");
  const bool has_start = starts != record.end() && starts->is_array() && !starts->empty() &&
                         starts->front().is_object();
  if (!has_start) refuse(name, "its run.json has no start");
  const json& start = starts->front();
  const auto words = words_in(start);
  RecordedCommand command{.program = text_in(start, "program"),
                          .directory = text_in(start, "directory"),
                          .ranks = ranks_in(start),
                          .resumed_from = text_in(start, "resumed_from")};
  if (command.program.empty() || command.directory.empty())
    refuse(name, "its run.json was written by an older version and does not name the program");
  const auto configuration = start.find("configuration");
  const bool has_settings = start.contains("origins") && configuration != start.end() &&
                            configuration->is_object() && !words.empty();
  if (!has_settings)
    refuse(name, "its program does not have the options --config and --run-dir; start it yourself");
  if (const auto hosts = hosts_in(start); hosts > 1) {
    refuse(name, fmt::format("it ran on {} hosts; start it with ripieno launch --hostfile FILE -n "
                             "{} -- and its command",
                             hosts, command.ranks));
  }
  command.configuration = toml_of_sections(*configuration);
  command.options = kept_options(words);
  command.environment = environment_in(start, command.remarks);
  if (const auto build = start.find("build"); build != start.end() && build->is_object())
    command.build_id = text_in(*build, "id");
  for (const auto& other : *starts) {
    if (other.is_object() && other.value("configuration", json()) == *configuration) continue;
    command.remarks.push_back(
        "its configuration was changed between starts; the first is repeated");
    break;
  }
  return command;
}

std::vector<std::string> words_of(const RecordedCommand& command, const std::string& launcher,
                                  const std::string& configuration,
                                  const std::string& run_directory, int64_t steps) {
  std::vector<std::string> words;
  if (command.ranks > 1)
    words = {launcher, "-n", std::to_string(command.ranks), "--max-restarts", "0", "--"};
  words.push_back(command.program);
  words.insert(words.end(), {"--config", configuration, "--run-dir", run_directory});
  words.insert(words.end(), {"--resume", command.resumed_from.empty() ? std::string("never")
                                                                      : command.resumed_from});
  if (steps > 0) words.insert(words.end(), {"--steps", std::to_string(steps)});
  words.insert(words.end(), command.options.begin(), command.options.end());
  return words;
}

}  // namespace ripieno::tools::runs
