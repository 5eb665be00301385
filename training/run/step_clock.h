// StepClock: divides the time of training steps into phases, for the metrics.
#pragma once

#include <array>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "ripieno/distributed/phase_times.h"

namespace ripieno {

class StepClock {
 public:
  enum Phase { data, forward, backward, communication_exposed, optimizer, checkpoint, phases };
  using Clock = std::chrono::steady_clock;

  // Adds the time since the last call of charge() or skip() to `phase`, or to none.
  void charge(Phase phase);
  void skip() { last_ = Clock::now(); }
  // Moves up to `seconds` from one phase to another: at most what `from` has. Returns what was
  // moved.
  double move(Phase from, Phase to, double seconds);

  // What a DataParallel has measured until now is not of these steps.
  void divide_from(const distributed::ParallelSeconds& total) { divided_ = total; }
  // Moves what it has measured since the last call from `forward` to its phases.
  void divide(const distributed::ParallelSeconds& total);

  // Counts a step.
  void step() { ++steps_; }
  // The seconds of each phase since construction.
  const std::array<double, phases>& totals() const { return totals_; }
  // The same since the last call.
  std::array<double, phases> take_totals();
  double seconds_without_checkpoint() const;  // per step, mean since take()
  // The mean seconds per step since the last call, by the names of metrics.jsonl, "total" last.
  // Resets all phases. Without knows_phases, all computation was charged to `forward`, and the
  // phases from forward to optimizer are left out.
  std::vector<std::pair<std::string, double>> take(bool knows_phases);

 private:
  double steps() const { return static_cast<double>(steps_ > 0 ? steps_ : 1); }

  Clock::time_point last_ = Clock::now();
  std::array<double, phases> seconds_ = {};  // since take()
  std::array<double, phases> totals_ = {}, taken_ = {};
  distributed::ParallelSeconds divided_;
  int64_t steps_ = 0;
};

}  // namespace ripieno
