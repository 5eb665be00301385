// StartDeadline: a timeout for MPI_Init(), which has none, while the other ranks start.
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>

namespace ripieno {

// If not destroyed within RIPIENO_START_TIMEOUT seconds (default: 600), its thread throws
// CommunicationFailure, which ends the process like any uncaught exception (program.h): MPI_Init()
// cannot be interrupted.
class StartDeadline {
 public:
  StartDeadline();
  ~StartDeadline();
  StartDeadline(const StartDeadline&) = delete;
  StartDeadline& operator=(const StartDeadline&) = delete;

 private:
  void wait();

  std::mutex mutex_;
  std::condition_variable changed_;
  bool started_ = false;
  std::thread thread_;  // last, because it uses the other members
};

}  // namespace ripieno
