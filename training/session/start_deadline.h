// StartDeadline: a bound on how long a rank waits for the others to start, which MPI does not have.
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>

namespace ripieno {

// Unless it is destroyed in time, ends the process as an exception that nobody catches does
// (program.h): MPI_Init() cannot be interrupted. 600 seconds, or RIPIENO_START_TIMEOUT.
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
  std::thread thread_;  // last, so that it starts when all else is there
};

}  // namespace ripieno
