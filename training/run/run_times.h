// RunTimes: where the wall-clock time of one start of a run goes, for run.json. Used by Run.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <map>

#include "ripieno/io/files/json.h"
#include "ripieno/training/run/step_clock.h"

namespace ripieno {

class RunTimes {
 public:
  // Phases of steps first, as in StepClock. `undone`: steps that a rollback undid.
  enum Phase { starting = StepClock::phases, validation, undone, phases };

  // The first call ends the time of the start: loading, checks, the first batch not included.
  void begin_steps();
  void add_step(const std::array<double, StepClock::phases>& seconds);
  void add(int phase, double seconds) { seconds_[static_cast<std::size_t>(phase)] += seconds; }
  // The state after `step` is saved, so that a rollback may return to it.
  void note_save(int64_t step) { saved_[step] = seconds_; }
  // The steps after `step` are undone: those since that save, or all of this start.
  void roll_back(int64_t step);

  // {"total": seconds since the construction, "starting": …, "data": …}
  nlohmann::json record() const;

 private:
  using Clock = std::chrono::steady_clock;
  using Seconds = std::array<double, phases>;

  const Clock::time_point begin_ = Clock::now();
  bool has_begun_steps_ = false;
  Seconds seconds_ = {};
  std::map<int64_t, Seconds> saved_;  // at the saves of this start, by step
};

}  // namespace ripieno
