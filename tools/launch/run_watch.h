// RunWatch: reads the records of a launch from storage on a thread of its own, so that storage that
// does not answer never blocks the launcher.
#pragma once

#include <memory>
#include <string>

#include "ripieno/tools/launch/rank_record.h"

namespace ripieno::tools {

struct WatchedRun {
  AttemptContents attempt = {};
  bool has_finished_a_step = false;  // since the launch began
  int64_t newest_step = 0;
  double step_seconds = 0, save_seconds = 0;  // of the slowest ones so far
  double read_at = 0;                         // monotonic seconds; 0: never
};

class RunWatch {
 public:
  // `run_directory`: empty if unknown.
  explicit RunWatch(const std::string& run_directory);
  ~RunWatch();  // does not wait for storage
  RunWatch(const RunWatch&) = delete;
  RunWatch& operator=(const RunWatch&) = delete;

  // From now on the records of this attempt are read.
  void follow(const AttemptFolder& folder);
  WatchedRun now() const;
  // Waits until everything that was written before the call has been read, at most `seconds`.
  WatchedRun refreshed(double seconds);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace ripieno::tools
