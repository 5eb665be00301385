#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>

#include "ripieno/io/files/replace_file.h"
#include "ripieno/tools/calibration.h"
#include "ripieno/tools/command.h"
#include "ripieno/tools/doctor/job.h"
#include "ripieno/tools/doctor/report.h"
#include "ripieno/tools/doctor/within.h"
#include "ripieno/tools/numbers.h"
#include "ripieno/training/session/exit_status.h"
#include "ripieno/training/session/standard_streams.h"

namespace ripieno::tools {
namespace {

using doctor::DoctorOptions;

void print(const DoctorOptions& options, const doctor::Examined& examined, double seconds) {
  constexpr auto kReplace = nlohmann::json::error_handler_t::replace;
  const auto& [title, findings, excluded, calibration] = examined;
  const std::string text =
      options.as_json
          ? doctor::to_json(title, findings, seconds).dump(2, ' ', false, kReplace) + "\n"
          : doctor::to_text(title, findings, seconds);
  std::fputs(text.c_str(), stdout);
  flush_standard_output();
  auto& files = io::local_files();
  if (!options.exclude_file.empty())
    io::replace_file(files, options.exclude_file, doctor::exclude_file_text(excluded));
  if (!options.calibration_file.empty())
    write_calibration(files, options.calibration_file, calibration);
}

int run_doctor(const DoctorOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  const bool has_problem = doctor::examine_job(options, [&](const doctor::Examined& examined) {
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
    print(options, examined, elapsed.count());
  });
  const auto status = has_problem ? ExitStatus::configuration : ExitStatus::finished;
  if (doctor::has_abandoned_threads()) {
    flush_standard_output();
    std::_Exit(static_cast<int>(status));
  }
  return static_cast<int>(status);
}

}  // namespace

void add_doctor(CLI::App& app, int& status) {
  auto options = std::make_shared<DoctorOptions>();
  auto link_gbits = std::make_shared<std::string>();
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
  command
      ->add_option("--link-gbits", *link_gbits,
                   "rate that the network should give, in Gbit/s; default: what the interface "
                   "states, or 1")
      ->type_name("G");
  command
      ->add_option("--exclude-file", options->exclude_file,
                   "file to write the hosts to that a run should not use")
      ->type_name("FILE");
  command
      ->add_option("--calibration", options->calibration_file,
                   "file to write the measured speed of the host to (JSON)")
      ->type_name("FILE");
  command->add_flag("--json", options->as_json, "print JSON");
  command->footer(
      "Under mpirun the ranks compare their hosts, and the links between these are measured:\n"
      "  mpirun --hostfile hosts ripieno doctor gpt.toml --run runs/gpt\n"
      "Takes less than 30 seconds and leaves nothing behind. Exit status: 0 if there is no\n"
      "problem (warnings are none), 78 if there is one.");
  command->callback([options, link_gbits, &status] {
    if (!link_gbits->empty())
      options->link_gbits = finite_number("--link-gbits", *link_gbits, kLeastGbits, kMostGbits);
    status = run_doctor(*options);
  });
}

}  // namespace ripieno::tools
