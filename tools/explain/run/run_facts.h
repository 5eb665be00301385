// RunFacts: everything that diagnoses are made from, read once from a run directory.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ripieno/io/files/file_system.h"
#include "ripieno/io/run/ranks/stall.h"
#include "ripieno/tools/explain/run/failures.h"
#include "ripieno/tools/explain/run/launch_records.h"
#include "ripieno/tools/explain/run/metric_history.h"
#include "ripieno/tools/explain/run/nccl_ras.h"
#include "ripieno/tools/explain/run/rank.h"
#include "ripieno/tools/explain/run/saved.h"

namespace ripieno::tools::explain {

// The last start in run.json.
struct Start {
  std::string started_at = {};  // as written there
  std::string resumed_from = {};
  int64_t steps = 0;                             // schedule.steps; 0: unknown
  std::string on_bad_step = {}, precision = {};  // of its configuration; empty: unknown
  int in_vain = 0;  // starts in a row, with this one, that began at the same checkpoint
};

enum class State {
  running,
  finished,
  saved,    // on request: the same command continues
  failed,   // some rank failed
  unknown,  // there are no records of ranks
};

struct RunFacts {
  std::string directory = {};
  int64_t now = 0;               // ns since 1970
  std::vector<Rank> ranks = {};  // of the last start, in order; those whose record can be read
  int size = 0;                  // number of ranks of that start; 0: unknown
  State state = State::unknown;
  io::Stall stall = {};  // the collective in which ranks wait
  std::vector<Failure> failures = {};
  std::optional<Start> start = {};
  MetricHistory metrics = {};
  SavedState saved = {};
  LaunchRecords launch = {};
  NcclReport nccl = {};
  std::vector<std::string> remarks = {};  // what could not be read, one line each

  // Null if there is no record of it.
  const Rank* find(int rank) const;
  // Up to when anything of the run is known: `now` while it runs. ns since 1970.
  int64_t end() const;
  // The steps that all of its ranks have done, or that the metrics have.
  int64_t step() const;
};

struct ReadOptions {
  int64_t now = 0;        // ns since 1970; 0: the clock
  bool asks_nccl = true;  // whether NCCL is asked about a run of this host
  std::string nccl = {};  // address; empty: nccl_ras_address()
};

// Reads only. What cannot be read is left out, with a remark. Throws UsageError if `directory` is
// not a run directory, DataError if it has records of ranks, but none can be read.
RunFacts read_run(const io::FileSystem& files, const std::string& directory,
                  const ReadOptions& options = {});

}  // namespace ripieno::tools::explain
