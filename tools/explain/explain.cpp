#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "ripieno/tools/command.h"
#include "ripieno/tools/explain/diagnose.h"
#include "ripieno/tools/explain/report.h"
#include "ripieno/tools/explain/run/run_facts.h"

namespace ripieno::tools {
namespace {

struct Options {
  std::string run;
  bool as_json = false;
};

void explain_run(const Options& options) {
  const auto run = explain::read_run(io::local_files(), options.run);
  const auto findings = explain::diagnose(run);
  // Damaged records may contain bytes that are not UTF-8.
  constexpr auto kReplace = nlohmann::json::error_handler_t::replace;
  const std::string text =
      options.as_json ? explain::to_json(run, findings).dump(2, ' ', false, kReplace) + "\n"
                      : explain::to_text(run, findings);
  std::fputs(text.c_str(), stdout);
}

}  // namespace

void add_explain(CLI::App& app, int&) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("explain", "Says why a run failed, does not proceed, or is slow.");
  command->add_option("RUN", options->run, "run directory, of a run in any state")
      ->type_name("")
      ->required();
  command->add_flag("--json", options->as_json, "print JSON, the first cause first");
  command->footer(
      "Prints the first cause last. Only reads the run directory; changes nothing.\n"
      "Exit status: 0, whatever was found; 64 if RUN is not a run directory, 65 if its\n"
      "records cannot be read or are of another version, 74 if storage fails.");
  command->callback([options] { explain_run(*options); });
}

}  // namespace ripieno::tools
