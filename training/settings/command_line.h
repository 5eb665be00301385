// The command line of a training program: the flags that every one of them takes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ripieno/training/settings/settings.h"

namespace ripieno {

// The largest step that the arithmetic bears: samples and tokens of a run are counted in 64 bits.
inline constexpr int64_t kMostSteps = 1'000'000'000'000;
inline constexpr int64_t kMostThreads = 1024;  // per rank

struct CommandLine {
  std::string configuration;             // --config: a TOML file
  std::vector<std::string> assignments;  // --set, in order
  std::string run_directory;             // --run-dir; runs/<configuration> unless said
  std::optional<int64_t> steps;          // --steps: the step to stop after
  std::string resume = "auto";           // --resume: auto, never, or a checkpoint's path
  std::string device = "auto";           // --device: auto, cpu or cuda
  std::optional<int64_t> threads;        // --threads: CPU threads per rank
  std::optional<int64_t> seed;           // --seed
  bool quiet = false;                    // --quiet
  std::string help;                      // what --help or --version prints; else empty
};

// `about` and the table's keys make the help text. Throws UsageError.
CommandLine parse_command_line(int argc, const char* const* argv, const std::string& about,
                               const Settings& settings);

// The configuration file, then --set in order, into `settings`. Throws ConfigurationError.
void configure(Settings& settings, const CommandLine& command);

}  // namespace ripieno
