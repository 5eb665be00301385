#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "ripieno/tools/command.h"
#include "ripieno/tools/runs/compare.h"
#include "ripieno/tools/runs/run_list.h"
#include "ripieno/training/session/exit_status.h"

namespace ripieno::tools {
namespace {

struct Options {
  std::string directory;
  std::vector<std::string> compared;
  bool as_json = false;
};

void print(const std::string& text) { std::fputs(text.c_str(), stdout); }

// Damaged records may contain bytes that are not UTF-8.
std::string dumped(const nlohmann::json& value) {
  return value.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

void list_or_compare(const Options& options) {
  if (options.directory.empty() == options.compared.empty())
    throw UsageError("runs: give either a folder or --compare A B; see ripieno runs --help");
  if (!options.compared.empty()) {
    const auto comparison = runs::compare(options.compared[0], options.compared[1]);
    return print(options.as_json ? dumped(to_json(comparison)) : to_text(comparison));
  }
  const auto found = runs::find_runs(options.directory);
  const auto list = runs::summarize(io::local_files(), found.paths);
  if (options.as_json) return print(dumped(to_json(list, found.remarks)));
  if (list.empty()) print("There is no run below " + options.directory + ".\n");
  print(to_text(list, found.remarks));
}

}  // namespace

void add_runs(CLI::App& app, int&) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("runs", "Lists the runs below a folder, or says how two runs differ.");
  command->add_option("DIR", options->directory, "folder that contains run directories")
      ->type_name("");
  command->add_option("--compare", options->compared, "two run directories to compare")
      ->type_name("A B")
      ->expected(2);
  command->add_flag("--json", options->as_json, "print JSON");
  command->footer(
      "Only reads; changes nothing. Runs and folders that cannot be read are listed as such.\n"
      "Exit status: 0; 64 if DIR does not exist or A or B is not a run directory, 74 if storage\n"
      "fails.");
  command->callback([options] { list_or_compare(*options); });
}

}  // namespace ripieno::tools
