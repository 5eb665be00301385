// WatchOptions: when a run that does not proceed is taken to hang, and what happens then.
#pragma once

#include <functional>
#include <string>

namespace ripieno {

// What the run does at the moment. Only `load` has no limit of time.
enum class Activity { load, start, step, validation, save, end };

// Options of the watchdog, which ends runs that do not proceed.
struct WatchOptions {
  // A step that takes longer is taken to hang; 0 disables the watchdog, but not the record. Three
  // times as long may take: the first step, a batch of a validation, and a save while no rank's
  // part of it proceeds. A step may always take three times the median of recent ones.
  double limit_seconds = 300;
  // Whether the process then writes one line to stderr and ends with ExitStatus::peer_lost (76), as
  // programs with a configuration do. Otherwise on_stall is called.
  bool ends_process = false;
  // Called with that line on a thread of the recorder, once for each time that nothing proceeds.
  // Empty: the line is written to RunOptions::messages.
  std::function<void(const std::string& message)> on_stall = {};
};

}  // namespace ripieno
