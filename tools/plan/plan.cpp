#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "ripieno/core/error.h"
#include "ripieno/tools/calibration.h"
#include "ripieno/tools/command.h"
#include "ripieno/tools/numbers.h"
#include "ripieno/tools/plan/configured_job.h"
#include "ripieno/tools/plan/machine_here.h"
#include "ripieno/tools/plan/measure.h"
#include "ripieno/tools/plan/report.h"
#include "ripieno/training/session/exit_status.h"
#include "ripieno/training/session/processors.h"

namespace ripieno::tools {
namespace {

using plan::Machine;
using plan::Question;

struct Options {
  std::string configuration;
  std::vector<std::string> assignments;
  std::string device, calibration;
  std::string ranks = "1", ranks_per_host, cores, link_gbits, latency_us, price;
  std::string vocabulary, features, classes;
  bool measure = false, as_json = false;
};

// So that all results are finite.
constexpr double kLeastCores = 0.01, kMostCores = 65536, kMostLatencyUs = 1e9, kMostPrice = 1e9;

int whole_up_to(const std::string& option, const std::string& text, int most) {
  return static_cast<int>(whole_number(option, text, 1, most));
}

int64_t size_or_0(const std::string& option, const std::string& text) {
  return text.empty() ? 0 : whole_number(option, text, 1);
}

void set_cores(const Options& options, Machine& machine) {
  if (options.cores.empty()) return;
  const double cores = finite_number("--cores", options.cores, kLeastCores, kMostCores);
  if (!machine.is_cpu)
    throw UsageError(
        fmt::format("--cores {} is of a CPU's host, but the ranks compute on {}; "
                    "leave it out, or plan for --device cpu",
                    options.cores, machine.name));
  const int here = cpu_share(affinity(), 1, cpu_quota(), 1).threads;
  if (options.measure && cores > here)
    throw UsageError(
        fmt::format("--cores {}: --measure measures this host, which has {}; leave "
                    "out one of them",
                    options.cores, here));
  plan::set_cores(machine, cores);
}

Machine machine_for(const Options& options) {
  if (!options.calibration.empty()) {
    return plan::calibrated_machine(read_calibration(io::local_files(), options.calibration),
                                    options.device, options.calibration);
  }
  if (!options.device.empty()) return plan::device_of(options.device);
  return plan::machine_here();
}

// Where a CPU's link is given, each rank has a host and a link to itself.
int ranks_per_host_of(const Options& options, const Machine& machine, int ranks) {
  if (!options.ranks_per_host.empty())
    return whole_up_to("--ranks-per-host", options.ranks_per_host, plan::kMostRanks);
  if (!machine.is_cpu) return machine.devices_per_host;
  return options.link_gbits.empty() ? ranks : 1;
}

Question question_of(const Options& options, const plan::ConfiguredJob& configured) {
  Question question{.job = configured.job(), .machine = machine_for(options)};
  Machine& machine = question.machine;
  plan::set_program_bytes(machine);
  question.ranks = whole_up_to("--ranks", options.ranks, plan::kMostRanks);
  question.ranks_per_host = ranks_per_host_of(options, machine, question.ranks);
  set_cores(options, machine);
  if (!options.link_gbits.empty()) {
    machine.between.bytes_per_second =
        1e9 / 8 * finite_number("--link-gbits", options.link_gbits, kLeastGbits, kMostGbits);
  }
  if (!options.latency_us.empty())
    machine.between.latency_seconds =
        1e-6 * finite_number("--latency-us", options.latency_us, 0, kMostLatencyUs);
  if (!options.price.empty())
    question.price_per_hour = finite_number("--price-per-hour", options.price, 0, kMostPrice);
  const int slots = question.job.parallel.slots;
  if (slots > 0 && slots < question.ranks) {
    throw ConfigurationError(
        fmt::format("parallel.slots is {}, but each of --ranks {} requires at least one slot",
                    slots, question.ranks));
  }
  return question;
}

void run(const Options& options) {
  const plan::ConfiguredJob configured(
      options.configuration, options.assignments,
      {size_or_0("--vocabulary", options.vocabulary), size_or_0("--features", options.features),
       size_or_0("--classes", options.classes)});
  Question question = question_of(options, configured);
  if (options.measure) {
    if (!question.machine.is_cpu)
      throw UsageError("--measure measures this host's CPU; leave out --device " + options.device);
    plan::measure_into(question, configured);
  }
  plan::Report report{
      options.configuration, configured.kind(), question, plan::forecast(question), {},
      std::nullopt};
  report.changes = plan::changes_of(question, report.result);
  if (!report.result.fits()) report.to_fit = plan::change_that_fits(question);
  const std::string text =
      options.as_json ? plan::to_json(report).dump(2) + "\n" : plan::to_text(report);
  std::fputs(text.c_str(), stdout);
}

}  // namespace

void add_plan(CLI::App& app, int&) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("plan", "Says what memory, time and money a configuration will take.");
  const auto add = [&](const char* name, std::string& value, const char* help, const char* type) {
    command->add_option(name, value, help)->type_name(type);
  };
  command->add_option("CONFIG", options->configuration, "TOML file that configures the run")
      ->type_name("")
      ->required();
  command
      ->add_option("--set", options->assignments,
                   "value of one configuration key, as for the training\n"
                   "programs; can be repeated")
      ->type_name("section.key=value")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  add("--ranks", options->ranks, "number of ranks, up to 4096 (default: 1)", "N");
  add("--device", options->device,
      "what each rank computes on: cpu, a100, h100, h200 or\n"
      "b200 (default: this host's CPU)",
      "D");
  add("--ranks-per-host", options->ranks_per_host,
      "ranks of a host (default: 8 GPUs; CPU ranks are on one\n"
      "host, or with --link-gbits on one each)",
      "N");
  add("--cores", options->cores, "cores of a CPU's host (default: those of this host)", "C");
  add("--link-gbits", options->link_gbits,
      "bandwidth of the network of each host, in Gbit/s in each\n"
      "direction (default: 8 x 400 for GPUs, 1 for CPUs)",
      "G");
  add("--latency-us", options->latency_us, "its latency one way, in microseconds", "L");
  add("--price-per-hour", options->price, "price of a GPU, or of a host of CPUs, for one hour",
      "P");
  add("--calibration", options->calibration, "speeds measured by ripieno doctor --calibration",
      "FILE");
  add("--vocabulary", options->vocabulary, "distinct tokens, to plan without the data", "N");
  add("--features", options->features, "values of a sample, to plan without the data", "N");
  add("--classes", options->classes, "classes, to plan without the data", "N");
  command->add_flag("--measure", options->measure,
                    "measure steps of the model on this host's CPU first,\n"
                    "for a few seconds");
  command->add_flag("--json", options->as_json, "print JSON");
  command->footer(
      "Trains nothing and writes nothing. Exit status: 0, also if the job does not fit;\n"
      "64 for an invalid option, 78 for an invalid configuration or device, 65 for\n"
      "damaged data or a damaged calibration.");
  command->callback([options] { run(*options); });
}

}  // namespace ripieno::tools
