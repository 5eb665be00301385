// Who holds up a run that does not proceed, for the diagnoses that share the answer.
#pragma once

#include <optional>
#include <vector>

#include "ripieno/tools/explain/diagnoses/finding.h"

namespace ripieno::tools::explain {

// Ranks that hold up the others, all in the same phase.
struct Suspects {
  std::vector<const Rank*> ranks = {};
  std::string phase = {};
  double seconds = 0;             // how long the first of them has been there
  std::vector<int> waiting = {};  // in `collective`; empty: no rank waits in one
  std::string collective = {};    // "all_reduce 1842 (bucket 4: …)"
};

// Whether the run does not proceed, or did not when it ended: someone has waited for longer than
// five steps and 15 seconds (30 outside of steps), or has given up.
bool is_stalled(const RunFacts& run);

// The seconds for which all ranks, of several hosts, had waited in collectives when signals ended
// them: mpirun sends those when it misses a host. 0: they had not, or for less than twenty steps or
// 3 seconds.
double cut_off_seconds(const RunFacts& run);

// Empty if the run proceeds, if ranks call different collectives, or were cut off. Ranks that
// failed by themselves are not among them.
std::vector<Suspects> find_suspects(const RunFacts& run);

// Whether the process was stopped (SIGSTOP, a debugger, a paused host), or was for 10 seconds or
// more when the run stalled.
bool was_stopped(const RunFacts& run, const Rank& rank);

// What the ranks wait in: a collective, or "that save".
std::string waited_in(const RunFacts& run);

// "ranks 0-2, 4-7 wait for it in COLLECTIVE"; in the past if the run has ended.
std::string waiting_text(const RunFacts& run, const std::vector<int>& waiting, const char* whom,
                         const std::string& collective);

// One finding for each group of suspects that match, without ranks that were stopped, have ended,
// or have no heartbeat: other diagnoses are about those.
std::vector<Finding> find_behind(const RunFacts& run, bool (*matches)(const Suspects&));

// "rank 3 (host b, pid 4711) has been in data for 312 s; ranks 0-2, 4-7 wait for it in …"
Finding finding_of(const RunFacts& run, const Suspects& suspects);

}  // namespace ripieno::tools::explain
