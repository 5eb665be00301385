// StopSignal: catches signals that request this process to save and stop.
#pragma once

namespace ripieno {

// While an object exists, the signals with which schedulers, resource limits and shells end a
// process are recorded instead:
//
//   SIGUSR1, SIGUSR2, SIGXCPU, SIGALRM, SIGPWR      always
//   SIGTERM, SIGINT, SIGHUP, SIGQUIT                if `alone`; under mpirun they end the process,
//                                                   since mpirun kills its ranks soon after these
//
// A signal of the second row ends the process at once if it arrives a second or more after the
// first signal (not sooner: `timeout` sends two within microseconds). A SIGHUP that was ignored
// before (nohup) stays ignored. SIGPIPE and SIGXFSZ are ignored, so that the write fails and is
// reported. At most one object exists at a time. The destructor restores the previous handlers.
class StopSignal {
 public:
  explicit StopSignal(bool alone);
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  // Whether a signal was recorded since the object was constructed.
  static bool arrived();
};

}  // namespace ripieno
