// Failures: which ranks ended in a way that they should not have, and which of them did so first.
#pragma once

#include <string>
#include <vector>

#include "ripieno/tools/explain/run/rank.h"

namespace ripieno::tools::explain {

// What a failure is to the others: their cause, caused by another, or part of ending the job.
enum class Role { root, consequence, teardown };

struct Failure {
  enum class Kind {
    killed,     // by signal 9, or with its host: the process could not record it
    crashed,    // by a signal of its own: 4, 6, 7, 8, 11
    signaled,   // by another signal
    error,      // it reported an error
    peer_lost,  // it reported that another rank was lost, or repeats the error of another
    watchdog,   // its watchdog ended it
  };
  std::size_t index = 0;  // in the ranks
  Kind kind = Kind::killed;
  int status = 0, signal = 0;
  std::string message = {};
  double time = 0;  // seconds since 1970; of `killed`: the last sign of life
  Role role = Role::root;
};

// In the order of their times. `is_over`: no process of the run is alive. Without a rank that
// failed by itself all failures are consequences, except signals, which then came from outside.
std::vector<Failure> find_failures(const std::vector<Rank>& ranks, bool is_over);

// Whether any failure has the role.
bool has_role(const std::vector<Failure>& failures, Role role);

}  // namespace ripieno::tools::explain
