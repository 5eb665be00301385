// RunReader: reads a run directory again and again, at a bounded share of a core.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ripieno/io/files/file_system.h"
#include "ripieno/tools/watch/metrics_tail.h"
#include "ripieno/tools/watch/rank_states.h"

namespace ripieno::tools::watch {

struct Checkpoints {
  int count = 0;
  std::optional<int64_t> newest = {};  // step
  bool is_saving = false;              // one is being written
};

// Everything that is shown.
struct Snapshot {
  enum class State { unknown, starting, running, finished, saved, ended };
  std::string name = {};  // of the run directory
  State state = State::unknown;
  int64_t step = 0, steps = 0;  // steps: of the whole run; 0: unknown
  Measured measured = {};
  std::optional<double> seconds_left = {};
  std::vector<RankState> ranks = {};  // in rank order
  int size = 0;                       // number of ranks; 0: unknown
  Checkpoints checkpoints = {};
  std::optional<int64_t> group_bytes = {}, group_limit_bytes = {};  // the fullest control group
  std::string code = {}, diagnosis = {};  // the first cause that `ripieno explain` finds
  std::string remark = {};                // what could not be read
};

// "running", "saved"
std::string_view name_of(Snapshot::State state);

class RunReader {
 public:
  // `diagnoses`: whether snapshots have a diagnosis.
  RunReader(const io::FileSystem& files, std::string directory, bool diagnoses = true);

  // Blocks while storage does not respond. Throws UsageError if the directory is not a run
  // directory, DataError if it has records of ranks of which none can be read.
  Snapshot read();

  // Until the next read(), so that reading takes at most 0.4 % of a core; at least a second.
  // Diagnoses take at most as much again.
  double seconds_to_wait() const { return seconds_to_wait_; }

 private:
  void read_start(Snapshot& snapshot);
  void read_ranks(Snapshot& snapshot);
  void read_checkpoints(Snapshot& snapshot);
  void diagnose(Snapshot& snapshot);

  const io::FileSystem& files_;
  std::string directory_;
  bool diagnoses_;
  MetricsTail metrics_;
  RankStates ranks_;
  int64_t record_bytes_ = -1;  // of run.json, when it was last read
  int64_t planned_ = 0;        // steps of the run
  double seconds_to_wait_ = 1;
  double diagnosis_due_ = 0;  // by the monotonic clock
  std::string code_, diagnosis_;
};

}  // namespace ripieno::tools::watch
