// MetricHistory: the measurements of a run in the order in which they were made, from
// metrics.jsonl, in bounded memory and time.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "ripieno/io/files/file_system.h"

namespace ripieno::tools::explain {

struct MetricPoint {
  int64_t step = 0;
  bool is_loss_finite = true;
  std::optional<double> loss = {}, gradient_norm = {};
  std::optional<int64_t> skipped_steps = {}, rollbacks = {};
  double total = 0;                            // seconds of the step without saving; 0: unknown
  std::map<std::string, double> seconds = {};  // by phase
  std::optional<int> slowest_rank = {};
  double slowest_score = 0;

  // Share of the step; 0 if unknown.
  double share(const std::string& phase) const;
};

// How often a rule of alerts.rules fired, in the lines that were read.
struct FiredAlert {
  std::string rule = {};
  int64_t count = 0, first_step = 0, last_step = 0;
};

struct MetricHistory {
  std::vector<MetricPoint> points = {};
  std::vector<FiredAlert> alerts = {};  // in the order in which they first fired
  bool is_sampled = false;              // the file is large, and only evenly spaced parts were read
  int64_t unreadable = 0;               // lines, of those read
};

// Reads a file of up to 24 MiB completely; of a larger one, its last 8 MiB and 2,048 evenly spaced
// parts of 8 KiB. Empty if the file does not exist. Throws StorageError.
MetricHistory read_metric_history(const io::FileSystem& files, const std::string& path);

// A lasting change of the time of a step.
struct StepTimeChange {
  std::size_t index = 0;         // of the first point after it
  double before = 0, after = 0;  // medians, in seconds
};
// The largest change after which a step takes at least half as long again until the end. Empty if
// there is none.
std::optional<StepTimeChange> find_slowdown(const std::vector<MetricPoint>& points);

}  // namespace ripieno::tools::explain
