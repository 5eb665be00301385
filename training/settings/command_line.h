// The command line of a training program: the options that all training programs share.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ripieno/training/settings/settings.h"

namespace ripieno {

// Limit of the arithmetic: the samples and tokens of a run are counted in 64 bits.
inline constexpr int64_t kMostSteps = 1'000'000'000'000;
inline constexpr int64_t kMostThreads = 1024;  // per rank

struct CommandLine {
  std::string configuration;             // --config: a TOML file
  std::vector<std::string> assignments;  // --set, in order
  std::string run_directory;             // --run-dir; default: runs/ and the name of the TOML file
  std::optional<int64_t> steps;          // --steps: the last step; default: schedule.steps
  std::string resume = "auto";           // --resume: auto, never, or a checkpoint's path
  std::string device = "auto";           // --device: auto, cpu or cuda
  std::optional<int64_t> threads;        // --threads: CPU threads per rank
  std::optional<int64_t> seed;           // --seed
  std::string profile;                   // --profile: the file of the trace; empty: none
  int64_t first_profiled = 0;            // --profile-steps; 0: default
  int64_t last_profiled = 0;
  bool quiet = false;  // --quiet
  std::string help;    // the text for --help or --version; otherwise empty
};

// `about`, one or more sentences, is the first line of the help text; `settings` provides the list
// of configuration keys at its end. Throws UsageError if the command line cannot be parsed.
CommandLine parse_command_line(int argc, const char* const* argv, const std::string& about,
                               const Settings& settings);

// Reads the configuration file into `settings`, then applies --set in order, --threads and --seed.
// Throws ConfigurationError.
void configure(Settings& settings, const CommandLine& command);

}  // namespace ripieno
