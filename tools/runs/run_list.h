// The runs below a folder, and what became of each.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ripieno/io/files/file_system.h"
#include "ripieno/io/files/json.h"

namespace ripieno::tools::runs {

struct RunSummary {
  std::string path = {};
  std::string state = {};       // "running", "finished", …
  std::string problem = {};     // why it, or a part of it, could not be read; else empty
  int64_t step = 0, steps = 0;  // steps: planned; 0: unknown
  std::optional<double> loss = {}, validation_loss = {}, units_per_s = {};
  std::string unit = {};        // "tokens" or "samples"
  double hours = 0;             // of the last start, until its last line of metrics.jsonl
  int ranks = 0;                // 0: unknown
  std::string device = {};      // "cpu", "cuda"
  std::string started_at = {};  // of the last start; empty: unknown
};

struct FoundRuns {
  std::vector<std::string> paths = {};
  std::vector<std::string> remarks = {};  // about folders that cannot be read
};
// Run directories at and below `directory`, at most six levels deep, in order of their paths.
// Symbolic links are left out. Throws UsageError if it does not exist.
FoundRuns find_runs(const std::string& directory);

// What became of each, the one that started last first. Never throws for a single run.
std::vector<RunSummary> summarize(const io::FileSystem& files,
                                  const std::vector<std::string>& paths);

// `remarks`: those of find_runs().
std::string to_text(const std::vector<RunSummary>& runs, const std::vector<std::string>& remarks);
nlohmann::json to_json(const std::vector<RunSummary>& runs,
                       const std::vector<std::string>& remarks);

}  // namespace ripieno::tools::runs
