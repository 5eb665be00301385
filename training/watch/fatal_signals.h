// FatalSignals: observes signals that end this process.
#pragma once

namespace ripieno::watch {

// While an object exists, `record` is called with each signal that would end the process: SIGSEGV,
// SIGABRT, SIGFPE and SIGILL, after which an earlier handler is called, as MPI has; and SIGTERM,
// SIGINT, SIGHUP and SIGQUIT, unless they have a handler. Ignored signals stay so. The signal then
// ends the process as it would have. `record` must be async-signal-safe. At most one object exists
// at a time.
class FatalSignals {
 public:
  explicit FatalSignals(void (*record)(int signal));
  ~FatalSignals();
  FatalSignals(const FatalSignals&) = delete;
  FatalSignals& operator=(const FatalSignals&) = delete;
};

}  // namespace ripieno::watch
