// StepTimes: where the time of recent steps went on each rank.
#pragma once

#include <array>
#include <optional>
#include <vector>

#include "ripieno/tools/explain/run/run_facts.h"

namespace ripieno::tools::explain {

enum Phase { data, forward, backward, communication, optimizer, checkpoint, validation, other };
inline constexpr std::size_t kPhases = std::size(io::kFlightPhases);
using PhaseSeconds = std::array<double, kPhases>;

// Of the step as a whole, without validations.
double total_of(const PhaseSeconds& seconds);
// Without communication: what the rank does itself.
double own_of(const PhaseSeconds& seconds);
// 0 if nothing was measured.
double share_of(const PhaseSeconds& seconds, Phase phase);

struct StepTimes {
  int steps = 0;                           // of the rank that has fewest
  std::vector<PhaseSeconds> of_rank = {};  // means, by index in RunFacts::ranks
  PhaseSeconds median = {};                // over the ranks: the lower of two in the middle

  // The smallest and the middle share of a phase over the ranks.
  double least_share(Phase phase) const;
  double middle_share(Phase phase) const;
};

// Of the last 64 steps. Of each rank the longest one is left out, which may be an accident. The
// others count by their mean: where others use a processor, few steps lose much time each. Empty if
// some rank has recorded fewer than 8, the first of which is left out.
std::optional<StepTimes> recent_step_times(const RunFacts& run);

// The rank whose own work takes longest, if the others lose a tenth of their time by waiting.
struct Straggler {
  std::size_t index = 0;            // in RunFacts::ranks
  double score = 1;                 // its own work, as a multiple of the median rank's
  Phase phase = forward;            // in which it needs most more than the median rank
  double seconds = 0, usual = 0;    // of that phase per step: of the rank, of the median rank
  double lost = 0;                  // share of the step that the others wait
  std::vector<int> same_host = {};  // ranks, if all those of its host are as slow; else empty
};
std::optional<Straggler> find_straggler(const RunFacts& run, const StepTimes& times);

}  // namespace ripieno::tools::explain
