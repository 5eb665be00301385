// Reads metrics.jsonl, for the report and for tools, also where a power cut or another program
// damaged some of its lines.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "ripieno/io/run/metrics.h"

namespace ripieno::io {

// Lines that cannot be read, which do not count.
struct SkippedLines {
  int64_t count = 0;
  int64_t first = 0;  // counted from 1

  // "PATH: 2 lines cannot be read and are skipped, the first is line 41"; empty where there are
  // none.
  std::string description(const std::string& path) const;
};

// Calls visit(metrics) for each step, in order; its memory does not grow with the file. Of a step
// that stands on several lines each later value replaces the earlier one. Where a run went back to
// an earlier step, the later steps before that do not count. A last line that was cut short is left
// out. Throws StorageError where there is no file to read.
SkippedLines for_each_step(const std::string& path,
                           const std::function<void(const StepMetrics&)>& visit);

// All of them; none where there is no file.
std::vector<StepMetrics> read_metrics(const std::string& path);

}  // namespace ripieno::io
