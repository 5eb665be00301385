#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <nlohmann/json.hpp>

#include "ripieno/tools/command.h"
#include "ripieno/tools/doctor/examine.h"
#include "ripieno/tools/doctor/report.h"
#include "ripieno/tools/doctor/within.h"
#include "ripieno/training/session/exit_status.h"
#include "ripieno/training/session/standard_streams.h"

namespace ripieno::tools {
namespace {

using doctor::DoctorOptions;
using doctor::Finding;

void print(const DoctorOptions& options, const std::string& title,
           const std::vector<Finding>& findings, double seconds) {
  constexpr auto kReplace = nlohmann::json::error_handler_t::replace;
  const std::string text =
      options.as_json
          ? doctor::to_json(title, findings, seconds).dump(2, ' ', false, kReplace) + "\n"
          : doctor::to_text(title, findings, seconds);
  std::fputs(text.c_str(), stdout);
}

int run_doctor(const DoctorOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  const auto facts = doctor::examine_here(options);
  const auto findings = doctor::findings_of(facts);
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  print(options, facts.host.host, findings, elapsed.count());
  const auto status =
      doctor::has_problem(findings) ? ExitStatus::configuration : ExitStatus::finished;
  if (doctor::has_abandoned_threads()) {
    flush_standard_output();
    std::_Exit(static_cast<int>(status));
  }
  return static_cast<int>(status);
}

}  // namespace

void add_doctor(CLI::App& app, int& status) {
  auto options = std::make_shared<DoctorOptions>();
  CLI::App* command = app.add_subcommand(
      "doctor", "Examines a host, or all hosts of a job, before a run is started there.");
  command->add_option("CONFIG", options->configuration, "configuration of the run (TOML)")
      ->type_name("");
  command->add_option("--data", options->data, "file of the data; default: that of CONFIG")
      ->type_name("FILE");
  command
      ->add_option("--run", options->run_directory,
                   "run directory, whose storage is tested; default: that of CONFIG, or the "
                   "current directory")
      ->type_name("DIR");
  command->add_option("--hostfile", options->host_file, "hosts whose names must resolve")
      ->type_name("FILE");
  command->add_flag("--json", options->as_json, "print JSON");
  command->footer(
      "Under mpirun the ranks compare their hosts, and the links between these are measured:\n"
      "  mpirun --hostfile hosts ripieno doctor gpt.toml --run runs/gpt\n"
      "Takes less than 30 seconds and leaves nothing behind. Exit status: 0 if there is no\n"
      "problem (warnings are none), 78 if there is one.");
  command->callback([options, &status] { status = run_doctor(*options); });
}

}  // namespace ripieno::tools
