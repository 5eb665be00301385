#include "ripieno/tools/launch/options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <climits>
#include <cstdio>
#include <sstream>

#include "ripieno/tools/launch/notices/http_get.h"
#include "ripieno/tools/numbers.h"
#include "ripieno/training/session/exit_status.h"

namespace ripieno::tools {
namespace {

// The options as they were typed.
struct Texts {
  std::string ranks, max_restarts = "100", max_in_vain = "3", min_ranks = "1";
  std::string budget_hours, budget_usd, per_gpu_hour, per_host_hour;
  std::string mpirun_options, notices = "auto";
  std::string rank_of, temporary, launcher_host;
};

constexpr const char* kDescription =
    "ripieno launch [OPTIONS] -- PROGRAM ARGUMENTS...\n\n"
    "Starts a program on all ranks, restarts it after failures, and saves before the\n"
    "machine or the budget ends.";
constexpr const char* kFooter =
    "The run directory, which shows how far the program has come, is that of --run-dir or\n"
    "--config among the program's arguments. Statuses: that of the rank that failed first (128 + "
    "N\n"
    "for signal N); 75 after a stop on request; 76 if hosts were lost and too few are left; 93 if\n"
    "restarts make no progress. docs/launch.md explains the rest.\n\n"
    "  ripieno launch -n 4 -- train_gpt --config gpt.toml\n"
    "  ripieno launch --hostfile hosts -- train_gpt --config gpt.toml --run-dir runs/gpt";

void add_options(CLI::App& app, LaunchOptions& options, Texts& texts) {
  app.add_option("-n", texts.ranks,
                 "ranks; default: the slots of all hosts, or one per GPU of\nthis host");
  app.add_option("--hostfile", options.host_file,
                 "lines of HOST slots=N; default: the hosts of the Slurm job,\n"
                 "of Kubernetes' MPI Operator, or this host alone");
  app.add_option("--exclude-file", options.exclude_file,
                 "hosts not to use, as ripieno doctor --exclude-file\nwrites them");
  app.add_option("--run-dir", options.run_directory,
                 "run directory of a program without --run-dir");
  app.add_option("--max-restarts", texts.max_restarts, "restarts after failures; 0: none")
      ->capture_default_str();
  app.add_option("--max-restarts-in-vain", texts.max_in_vain,
                 "restarts in a row without a new step, until status 93")
      ->capture_default_str();
  app.add_option("--min-ranks", texts.min_ranks, "fewest ranks to restart with")
      ->capture_default_str();
  app.add_option("--notices", texts.notices,
                 "preemption notices: aws, gcp, azure, off, or auto: those of\n"
                 "the cloud that this machine's firmware names")
      ->capture_default_str();
  app.add_option("--notices-url", options.notices_url,
                 "http://ADDRESS[:PORT] of the metadata service");
  app.add_option("--budget-hours", texts.budget_hours, "hours after which the run saves and stops");
  app.add_option("--budget-usd", texts.budget_usd,
                 "US dollars after which the run saves and stops");
  app.add_option("--price-per-gpu-hour", texts.per_gpu_hour, "US dollars per rank and hour");
  app.add_option("--price-per-host-hour", texts.per_host_hour, "US dollars per host and hour");
  app.add_option("--interfaces", options.interfaces,
                 "networks for Open MPI, e.g. eth0 or 10.0.0.0/24; default:\n"
                 "those that lead to the hosts, never docker0");
  app.add_option("--mpirun-options", texts.mpirun_options,
                 "more options for mpirun, separated by spaces");
  app.add_flag("--dry-run", options.dry_run, "only print the command");
  // Between the launcher and the wrappers of its ranks.
  app.add_option("--rank-of", texts.rank_of, "")->group("");
  app.add_option("--temporary", texts.temporary, "")->group("");
  app.add_option("--launcher-host", texts.launcher_host, "")->group("");
  app.footer(kFooter);
}

int number(const char* option, const std::string& text, int least) {
  const int64_t value = whole_number(option, text, least);
  if (value <= INT_MAX) return static_cast<int>(value);
  throw UsageError(fmt::format("{} {}: must be at most {}", option, text, INT_MAX));
}

double positive(const char* option, const std::string& text) {
  const double value = finite_number(option, text, 0);
  if (value > 0) return value;
  throw UsageError(fmt::format("{} {}: must be more than 0", option, text));
}

Cloud cloud_named(const std::string& name) {
  if (name == "aws") return Cloud::aws;
  if (name == "gcp") return Cloud::gcp;
  if (name == "azure") return Cloud::azure;
  if (name == "off") return Cloud::none;
  if (name == "auto") return detect_cloud();
  throw UsageError(fmt::format("--notices {}: must be one of auto, aws, gcp, azure, off", name));
}

void take_budget(const Texts& texts, LaunchOptions& options) {
  if (!texts.budget_hours.empty())
    options.budget.hours = positive("--budget-hours", texts.budget_hours);
  if (!texts.budget_usd.empty()) options.budget.usd = positive("--budget-usd", texts.budget_usd);
  if (!texts.per_gpu_hour.empty())
    options.prices.per_gpu_hour = positive("--price-per-gpu-hour", texts.per_gpu_hour);
  if (!texts.per_host_hour.empty())
    options.prices.per_host_hour = positive("--price-per-host-hour", texts.per_host_hour);
  const bool has_price = options.prices.per_gpu_hour > 0 || options.prices.per_host_hour > 0;
  if (options.budget.usd && !has_price) {
    throw UsageError(
        "--budget-usd requires a price; pass --price-per-gpu-hour or --price-per-host-hour");
  }
}

void take_words(const Texts& texts, LaunchOptions& options) {
  if (!texts.ranks.empty()) options.ranks = number("-n", texts.ranks, 1);
  options.limits.max_restarts = number("--max-restarts", texts.max_restarts, 0);
  options.limits.max_in_vain = number("--max-restarts-in-vain", texts.max_in_vain, 1);
  options.limits.min_ranks = number("--min-ranks", texts.min_ranks, 1);
  options.notices = cloud_named(texts.notices);
  if (!options.notices_url.empty() && !is_base_url(options.notices_url)) {
    throw UsageError(
        fmt::format("--notices-url {}: must be http://ADDRESS[:PORT] with an IPv4 address",
                    options.notices_url));
  }
  std::istringstream words(texts.mpirun_options);
  for (std::string word; words >> word;) options.mpirun_options.push_back(word);
  take_budget(texts, options);
}

// Everything up to the first "--" is ours; the rest belongs to the program.
std::vector<std::string> split(int argc, const char* const* argv, LaunchOptions& options) {
  std::vector<std::string> own;
  for (int i = 1; i < argc; ++i) {
    if (std::string_view(argv[i]) == "--") {
      options.program.assign(argv + i + 1, argv + argc);
      break;
    }
    own.emplace_back(argv[i]);
  }
  return {own.rbegin(), own.rend()};  // as CLI11 takes them
}

}  // namespace

std::optional<LaunchOptions> parse_launch_options(int argc, const char* const* argv) {
  LaunchOptions options;
  Texts texts;
  CLI::App app(kDescription, "ripieno launch");
  add_options(app, options, texts);
  try {
    app.parse(split(argc, argv, options));
  } catch (const CLI::CallForHelp&) {
    std::fputs(app.help().c_str(), stdout);
    return std::nullopt;
  } catch (const CLI::ParseError& error) {
    throw UsageError(std::string(error.what()) + "; see ripieno launch --help");
  }
  take_words(texts, options);
  if (options.program.empty()) {
    throw UsageError(
        "no program to launch; write it after --, as in: ripieno launch -n 2 -- train_gpt "
        "--config gpt.toml");
  }
  if (!texts.rank_of.empty()) {
    options.rank = RankOptions{.folder = texts.rank_of,
                               .temporary = texts.temporary,
                               .notices = options.notices,
                               .notices_url = options.notices_url,
                               .launcher_host = texts.launcher_host,
                               .program = options.program};
  }
  return options;
}

}  // namespace ripieno::tools
