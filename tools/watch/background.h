// Background: reads a run on a thread of its own, so that storage that does not respond never
// blocks the terminal.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "ripieno/tools/watch/run_reader.h"

namespace ripieno::tools::watch {

class Background {
 public:
  // Starts to read. The thread is left behind if it is blocked when this object is destroyed.
  explicit Background(std::string directory);
  ~Background();
  Background(const Background&) = delete;
  Background& operator=(const Background&) = delete;

  struct Look {
    std::shared_ptr<const Snapshot> snapshot = {};  // null before the first
    double silent_seconds = 0;                      // how long storage has not responded
  };
  // The newest snapshot. Rethrows what ended the thread.
  Look look() const;
  // Waits up to `seconds` for the first snapshot, or the end of the thread.
  Look wait(double seconds) const;

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;  // also owned by the thread
};

}  // namespace ripieno::tools::watch
