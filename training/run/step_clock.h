// StepClock: where the time of training steps goes, by phase, for the metrics.
#pragma once

#include <array>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

namespace ripieno {

class StepClock {
 public:
  enum Phase { data, forward, backward, communication_exposed, optimizer, checkpoint, phases };
  using Clock = std::chrono::steady_clock;

  // Adds the time since the last call of either to `phase`, or to none.
  void charge(Phase phase);
  void skip() { last_ = Clock::now(); }
  // Moves part of what `from` was charged with: as much of it as there is, which is returned.
  double move(Phase from, Phase to, double seconds);

  // The end of a step.
  void step() { ++steps_; }
  double seconds_without_checkpoint() const;  // of the mean step since take()
  // The mean of the steps since the last call, as metrics.jsonl names them, "total" last; then
  // starts anew. Without knows_phases the phases of the computation, which are then all charged to
  // `forward`, are left out.
  std::vector<std::pair<std::string, double>> take(bool knows_phases);

 private:
  double steps() const { return static_cast<double>(steps_ > 0 ? steps_ : 1); }

  Clock::time_point last_ = Clock::now();
  std::array<double, phases> seconds_ = {};
  int64_t steps_ = 0;
};

}  // namespace ripieno
