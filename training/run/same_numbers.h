// Compares the values that must be equal on all ranks. A flipped bit in the memory of one rank, or
// a processor with wrong results, is not detected otherwise, and would be saved in every
// checkpoint.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ripieno/core/arena/arena.h"
#include "ripieno/training/session/session.h"

namespace ripieno {

// Values of which every rank has a complete copy.
struct Replicated {
  std::string name;  // "parameters", "first_moment", …
  Arena* arena;
};

// Compares a hash of each (XXH3, about 10 GB/s; values on a GPU are copied to the host in chunks).
// If they differ, throws RankFailure with ExitStatus::ranks_differ on every rank. The message, on
// rank 0, has the deviating ranks with their hosts and devices, and the first of `facts` that
// differs between ranks, because an error in the program is more likely than faulty hardware.
// `step` is only for the message. A collective.
void require_same_numbers(Session& session, const std::vector<Replicated>& numbers, int64_t step,
                          const std::vector<distributed::Fact>& facts = {});

}  // namespace ripieno
