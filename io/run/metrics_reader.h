// Reads metrics.jsonl, for the report and tools. Tolerates lines damaged by a power cut or another
// program.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ripieno/io/run/metrics.h"

namespace ripieno::io {

// Lines that could not be parsed and were ignored.
struct SkippedLines {
  int64_t count = 0;
  int64_t first = 0;  // counted from 1

  // "PATH: 2 lines cannot be read and are skipped, the first is line 41"; empty if count is 0.
  std::string description(const std::string& path) const;
};

// Calls visit(metrics) for each step, in order, in memory that does not grow with the file. If a
// step has several lines, later values replace earlier ones. If the run resumed from an earlier
// step, the lines of later steps before that are ignored, as is an incomplete last line. Throws
// StorageError if the file cannot be read.
SkippedLines for_each_step(const std::string& path,
                           const std::function<void(const StepMetrics&)>& visit);

// One line of the file; nullopt if it cannot be parsed.
std::optional<StepMetrics> parse_metrics_line(std::string_view line);

// All steps as a vector; empty if the file does not exist.
std::vector<StepMetrics> read_metrics(const std::string& path);

}  // namespace ripieno::io
