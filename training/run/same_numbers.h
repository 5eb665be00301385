// Whether all ranks hold the same numbers, as they must: a bit that flips in one rank's memory, or
// a processor that computes wrong, shows nowhere else, and would end up in every checkpoint.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ripieno/core/arena/arena.h"
#include "ripieno/training/session/session.h"

namespace ripieno {

// Numbers of which every rank has all.
struct Replicated {
  std::string name;  // "parameters", "first_moment", …
  Arena* arena;
};

// Compares a hash (XXH3, at some 10 GB/s; what is on a GPU is copied to the host in parts) of each.
// Where they differ after that step, throws RankFailure with ExitStatus::ranks_differ on every
// rank; rank 0's names the odd ranks, their hosts and devices, and the first of `facts` that the
// ranks do not share, since a program's mistake is likelier than faulty hardware. A collective.
void require_same_numbers(Session& session, const std::vector<Replicated>& numbers, int64_t step,
                          const std::vector<distributed::Fact>& facts = {});

}  // namespace ripieno
