// Recorder: records what this rank does in ranks/rank_NNNNN/ of the run directory, and detects that
// the run does not proceed. Used by Run.
//
// Two threads work for it. One writes a heartbeat each second and everything else that goes to
// storage; the other only looks at the time, so that storage that does not respond cannot stop it.
// Neither calls MPI or CUDA. The functions below are called by the thread that trains.
#pragma once

#include <array>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ripieno/io/run/ranks/flight_record.h"
#include "ripieno/training/watch/watch_options.h"

namespace ripieno::watch {

struct RecorderOptions {
  std::string run_directory;
  uint64_t start = 0;  // random, the same on all ranks
  int rank = 0, size = 1, local_rank = 0;
  int compute_threads = 1, reader_threads = 0, cores = 1;
  std::vector<int> processors = {};  // that the process may run on; empty: unknown
  std::string device = {};
  WatchOptions watch = {};
  std::FILE* messages = nullptr;  // for warnings; null: none
};

class Recorder {
 public:
  using Seconds = std::array<double, std::size(io::kFlightPhases)>;

  // Null if the process records another run already: ranks that are threads of one process share
  // the first one's record.
  static std::unique_ptr<Recorder> create(const RecorderOptions& options);
  ~Recorder();
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;

  // Why nothing is recorded on storage; one line, empty if it is.
  const std::string& remark() const;

  void enter(Activity activity);
  // Something of the current activity proceeds: its time begins again.
  void proceed();
  // A step is done; its seconds by phase.
  void end_step(int64_t step, const Seconds& seconds);
  void add_seconds(const Seconds& seconds);
  // For FlightRecord::processor_wait_seconds and recent_processor_wait.
  void set_processor_wait(double seconds, double recent_share);
  void name_bucket(int bucket, std::string_view parameters);
  // The run has ended, and its process will have this status.
  void end(int status);

 private:
  explicit Recorder(const RecorderOptions& options);
  struct Parts;

  std::unique_ptr<Parts> parts_;
};

// Records how this process ends, if it has a recorder: by an exception that nothing catches. An
// empty message: because of an error of another rank.
void record_exception(int status, const std::string& message) noexcept;

}  // namespace ripieno::watch
