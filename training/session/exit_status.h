// How a program of ours ends: its exit status, after sysexits.h, for scripts and schedulers.
#pragma once

#include <exception>
#include <string>

#include "ripieno/core/error.h"

namespace ripieno {

enum class ExitStatus : int {
  finished = 0,
  usage = 64,          // bad command line
  data = 65,           // data or a checkpoint is not what it claims to be
  software = 70,       // a fault of ours
  memory = 71,         // the system has no more memory
  ranks_differ = 72,   // one of them computes wrong
  storage = 74,        // storage failed
  run_again = 75,      // saved; the same command continues
  peer_lost = 76,      // a peer was lost
  configuration = 78,  // a configuration or an environment that cannot work
  diverged = 79,       // a loss, a gradient or a parameter is not finite
};

// A command line that does not parse.
struct UsageError : Error {
  using Error::Error;
};

// Thrown on every rank when some of them cannot go on (Session::together): the first of those says
// why, the others end silently with the same status.
class RankFailure : public Error {
 public:
  RankFailure(ExitStatus status, const std::string& message) : Error(message), status_(status) {}
  ExitStatus status() const { return status_; }
  bool is_silent() const { return *what() == '\0'; }

 private:
  ExitStatus status_;
};

ExitStatus exit_status_of(const std::exception& error);

}  // namespace ripieno
