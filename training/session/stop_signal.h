// StopSignal: whether someone asked this process to save and stop.
#pragma once

namespace ripieno {

// While one exists, SIGUSR1 is remembered instead of ending the process; so are SIGTERM and SIGINT
// `alone`, each once: a second one ends the process. At most one exists at a time.
class StopSignal {
 public:
  explicit StopSignal(bool alone);
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  static bool arrived();

 private:
  bool alone_;
};

}  // namespace ripieno
