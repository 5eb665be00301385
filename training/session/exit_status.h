// Exit statuses of all programs, based on sysexits.h, for scripts and schedulers.
#pragma once

#include <exception>
#include <string>

#include "ripieno/core/error.h"

namespace ripieno {

enum class ExitStatus : int {
  finished = 0,
  usage = 64,          // invalid command line
  data = 65,           // data or a checkpoint is damaged or invalid
  software = 70,       // error in the program or in Ripieno
  memory = 71,         // out of memory
  ranks_differ = 72,   // ranks hold different parameters: one of them computes wrong values
  storage = 74,        // reading or writing a file failed
  run_again = 75,      // stopped and saved; the same command continues the run
  peer_lost = 76,      // another rank was lost or timed out
  configuration = 78,  // invalid configuration or environment
  diverged = 79,       // a loss, gradient or parameter is not finite
};

// Invalid command line.
struct UsageError : Error {
  using Error::Error;
};

// Thrown on all ranks when an action failed on some of them (Session::together). The message is on
// the first rank that failed; it is empty on the others, which end silently with the same status.
class RankFailure : public Error {
 public:
  RankFailure(ExitStatus status, const std::string& message) : Error(message), status_(status) {}
  ExitStatus status() const { return status_; }
  bool is_silent() const { return *what() == '\0'; }

 private:
  ExitStatus status_;
};

// The status for an exception that ends a program: by its type, ExitStatus::software by default.
ExitStatus exit_status_of(const std::exception& error);

}  // namespace ripieno
