// What a launch does after an attempt has ended: pure functions of what was seen.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "ripieno/tools/launch/mpirun/hosts.h"

namespace ripieno::tools {

// Exit statuses beside those of our programs (exit_status.h).
inline constexpr int kNoProgress = 93;      // restarts make no progress
inline constexpr int kNotExecutable = 126;  // of shells, for a program that cannot be executed
inline constexpr int kNotFound = 127;       // of shells, for a program that is not there

// How one rank ended, or what is known of it.
struct RankEnd {
  int rank = 0;
  std::string host = {};
  int pid = 0;                  // of the program
  int status = 0;               // exit status, if signal is 0
  int signal = 0;               // the signal that ended it
  double time = 0;              // seconds since the epoch, by the clock of its host
  bool asked_to_end = false;    // mpirun had already sent it SIGTERM
  std::string last_words = {};  // the last line that it wrote to stderr

  bool has_failed() const { return status != 0 || signal != 0; }
};

// How the attempt ended, as far as it matters for what comes next.
struct AttemptEnd {
  int status = 0;                         // of mpirun, or of the program; 128 + its signal
  std::vector<RankEnd> ranks = {};        // those that recorded their end
  std::vector<std::string> lost = {};     // hosts that were lost, or did not start
  std::vector<std::string> leaving = {};  // other hosts whose preemption was announced
  bool stop_requested = false;            // by a signal, a notice for this host, or a budget
  bool finished_a_step = false;           // in this launch: in this attempt or an earlier one
  bool has_progress = false;              // a step that no earlier attempt had finished
};

// The ranks that failed, the cause first: by time, and before those that only lost a peer (76) or
// were ended by mpirun. Silent ranks, which repeat the failure of another, come after it.
std::vector<RankEnd> by_cause(const std::vector<RankEnd>& ranks);
// Whether the rank failed because another had failed.
bool is_consequence(const RankEnd& rank);

// The hosts of an attempt that mpirun did not end by itself: if every rank that failed was ended by
// the daemon of its host, these daemons lost mpirun, which does not notice if its own host is cut
// off. Empty if a rank failed otherwise.
std::set<std::string> hosts_without_mpirun(const std::vector<RankEnd>& ranks);

// Whether a status says that a restart cannot help: usage, damaged data, an error of the program,
// ranks that differ, configuration, divergence, no progress, a command that cannot be executed.
bool is_final(int status);

struct Limits {
  int max_restarts = 100;
  int max_in_vain = 3;  // restarts in a row without a new step
  int min_ranks = 1;
};

// What happened in all attempts of this launch so far.
struct History {
  int restarts = 0;
  int in_vain = 0;                           // attempts in a row without a new step
  std::map<std::string, int> failures = {};  // of each host
  std::set<std::string> unavailable = {};    // hosts that were lost or announced their preemption
};

struct Decision {
  bool restart = false;
  int status = 0;                // the exit status of the launch, unless it restarts
  std::vector<Host> hosts = {};  // of the next attempt
  std::string reason = {};       // one clause, for the user
};

// Updates `history` by an attempt that ended, and decides. `hosts`: all of the launch; empty if it
// uses only this one. An attempt that is stopped on request is never repeated. One that fails is
// repeated unless its status is final or no step was ever finished: such a program cannot start,
// and starting it again only hides why. A lost host is the exception, since it says nothing about
// the program.
Decision decide(const AttemptEnd& end, const std::vector<Host>& hosts, const Limits& limits,
                History& history);

// The hosts for the next attempt: those that are available and failed less than twice. If these
// have fewer slots than min_ranks, also the other available ones; then also those that were
// unavailable once.
std::vector<Host> remaining_hosts(const std::vector<Host>& hosts, const History& history,
                                  int min_ranks);

// "killed by signal 9 (Killed)", "ended with status 74".
std::string description(const RankEnd& rank);

}  // namespace ripieno::tools
