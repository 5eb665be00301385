#include "ripieno/io/run/report.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "ripieno/core/error.h"
#include "ripieno/io/files/file_system.h"
#include "ripieno/io/run/report_comparison.h"
#include "ripieno/tools/command.h"
#include "ripieno/training/session/exit_status.h"

namespace ripieno::tools {
namespace {

struct Options {
  std::vector<std::string> runs;
  std::string output;
};

void require_run(const std::string& directory) {
  const io::RunPaths paths{directory};
  const auto& files = io::local_files();
  if (files.exists(paths.record()) || files.exists(paths.metrics())) return;
  throw UsageError(directory + ": not a run directory, which has run.json or metrics.jsonl");
}

void write_page(const Options& options) {
  for (const auto& run : options.runs) require_run(run);
  const bool is_single = options.runs.size() == 1;
  std::string to = options.output;
  if (to.empty()) to = is_single ? io::RunPaths{options.runs[0]}.report() : "comparison.html";
  std::vector<std::string> remarks;
  if (is_single) {
    remarks.push_back(io::write_report(io::local_files(), {options.runs[0]}, to));
  } else {
    remarks = io::write_comparison(io::local_files(), options.runs, to);
  }
  for (const auto& remark : remarks) {
    if (!remark.empty()) fmt::print(stderr, "ripieno: {}\n", remark);
  }
  fmt::print("{}\n", to);
}

}  // namespace

void add_report(CLI::App& app, int&) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("report", "Writes a page about a run, or one that compares several runs.");
  command->add_option("RUN", options->runs, "run directory; several are compared")
      ->type_name("...")
      ->required();
  command
      ->add_option("--output,-o", options->output,
                   "HTML file to write (default: report.html in the run\n"
                   "directory; comparison.html here, for several runs)")
      ->type_name("FILE");
  command->footer(
      "The page needs no other file and no network. Prints its path.\n"
      "Exit status: 0; 64 if RUN is not a run directory, 74 if storage fails.");
  command->callback([options] { write_page(*options); });
}

}  // namespace ripieno::tools
