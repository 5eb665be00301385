#include "ripieno/training/settings/unknown_argument.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <string_view>
#include <vector>

#include "ripieno/training/settings/nearest_key.h"

namespace ripieno {
namespace {

std::vector<std::string> options_of(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const auto& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

std::vector<std::string> subcommands_of(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands({})) names.push_back(command->get_name());
  return names;
}

// " (did you mean NAME?)" if one of the names differs by few letters.
std::string likely_meant(const std::vector<std::string>& names, std::string_view written) {
  const auto nearest = std::ranges::min_element(
      names, {}, [&](const auto& name) { return edit_distance(name, written); });
  if (nearest == names.end() || edit_distance(*nearest, written) > written.size() / 3) return "";
  return fmt::format(" (did you mean {}?)", *nearest);
}

}  // namespace

std::string unknown_argument(const CLI::App& app) {
  const auto parsed = app.get_subcommands();
  const CLI::App& command = parsed.empty() ? app : *parsed.front();
  const auto rest = app.remaining(true);
  if (rest.empty()) return "";
  const auto is_option = [](const std::string& text) { return text.starts_with("-"); };
  const auto option = std::ranges::find_if(rest, is_option);
  if (option != rest.end()) {
    const std::string name = option->substr(0, option->find('='));
    return fmt::format("{}: no such option{}", name, likely_meant(options_of(command), name));
  }
  const auto subcommands = subcommands_of(command);
  if (subcommands.empty()) return fmt::format("{}: unexpected argument", rest.front());
  return fmt::format("{}: no such command{}", rest.front(),
                     likely_meant(subcommands, rest.front()));
}

void refuse_empty_words(CLI::App& app, const std::vector<std::string>& but_for) {
  const auto check = [](const std::string& word) -> std::string {
    return word.empty() ? "must not be empty; is a variable of the shell unset?" : "";
  };
  for (CLI::Option* option : app.get_options()) {
    const bool is_flag = option->get_items_expected_max() == 0;
    if (!is_flag && std::ranges::find(but_for, option->get_name()) == but_for.end())
      option->check(check, "");
  }
  for (CLI::App* command : app.get_subcommands({})) refuse_empty_words(*command, but_for);
}

}  // namespace ripieno
