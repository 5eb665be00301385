// StopSignal: whether someone asked this process to save and stop.
#pragma once

namespace ripieno {

// While one exists, what a scheduler, a limit or a shell sends to end a process is remembered
// instead:
//
//   SIGUSR1, SIGUSR2, SIGXCPU, SIGALRM, SIGPWR      always
//   SIGTERM, SIGINT, SIGHUP, SIGQUIT                `alone`; mpirun kills its ranks soon after
//   these
//
// One of the second kind that comes a second or more after the first signal ends the process at
// once: `timeout` sends two within microseconds. A SIGHUP that was ignored at the start (nohup)
// stays ignored. SIGPIPE and SIGXFSZ are ignored, so that the write fails and is reported.
// At most one exists at a time. The destructor restores what was there before.
class StopSignal {
 public:
  explicit StopSignal(bool alone);
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  static bool arrived();
};

}  // namespace ripieno
