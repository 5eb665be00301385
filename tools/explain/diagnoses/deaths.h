// Why a process was killed, for the diagnoses that share the answer.
#pragma once

#include <string>
#include <vector>

#include "ripieno/tools/explain/diagnoses/finding.h"

namespace ripieno::tools::explain {

enum class Death {
  group_memory,  // its control group was out of memory
  host_memory,   // its host was
  stopped,       // it had been stopped for a while, unlike other ranks of its host
  host_lost,     // all ranks of its host fell silent, and others lived on
  outside,       // no sign of any of these
};
Death death_of(const RunFacts& run, const Failure& killed);

// The failures of kind `killed` that are the root, and died in this way.
std::vector<const Failure*> deaths_of(const RunFacts& run, Death death);

// The failures with this role and kind.
std::vector<const Failure*> failures_of(const RunFacts& run, Role role, Failure::Kind kind);
// Those that reported an error with one of these statuses, as the root.
std::vector<const Failure*> errors_of(const RunFacts& run, const std::vector<int>& statuses);

// A finding about the rank of a failure.
Finding finding_of(const RunFacts& run, const Failure& failure, std::string text);
// "rank 5 (host b, pid 4711) ended with status 74 at step 1,204: MESSAGE"
Finding error_of(const RunFacts& run, const Failure& failure);
// "at step 1,204"
std::string step_text(const RunFacts& run, const Failure& failure);
// "signal 11 (SIGSEGV)"
std::string signal_text(int signal);
// "23.1 GiB"
std::string gibibytes(int64_t bytes);

}  // namespace ripieno::tools::explain
