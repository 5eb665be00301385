// The rows that show the ranks of a run: one for each, or, if they are too many, the remarkable
// ones and the others together.
#pragma once

#include <string>
#include <vector>

#include "ripieno/tools/watch/rank_states.h"

namespace ripieno::tools::watch {

struct RankRow {
  std::vector<int> ranks = {};
  std::string label = {};    // "17", "62 others"
  std::string host = {};     // of all of them; else "8 hosts"
  PhaseSeconds phases = {};  // the mean
  std::string note = {};     // what is remarkable: "behind 23 s: step > data"
  bool is_bad = false;       // behind, stopped, or failed
};

// At most `most` rows (at least 1): remarkable ranks first, then those of each host or all others
// together.
std::vector<RankRow> rank_rows(const std::vector<RankState>& ranks, std::size_t most);

// What is remarkable about a rank; empty: nothing.
std::string note_of(const RankState& rank);
// Whether it does not do what it should.
bool is_bad(const RankState& rank);

}  // namespace ripieno::tools::watch
