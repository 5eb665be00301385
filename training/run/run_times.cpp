#include "ripieno/training/run/run_times.h"

#include <nlohmann/json.hpp>

namespace ripieno {
namespace {

constexpr const char* kPhaseNames[RunTimes::phases] = {
    "data",     "forward",    "backward", "communication_exposed", "optimizer", "checkpoint",
    "starting", "validation", "undone"};

}  // namespace

void RunTimes::begin_steps() {
  if (has_begun_steps_) return;
  has_begun_steps_ = true;
  add(starting, std::chrono::duration<double>(Clock::now() - begin_).count());
}

void RunTimes::add_step(const std::array<double, StepClock::phases>& seconds) {
  for (int phase = 0; phase < StepClock::phases; ++phase)
    add(phase, seconds[static_cast<std::size_t>(phase)]);
}

void RunTimes::roll_back(int64_t step) {
  const auto found = saved_.find(step);
  const Seconds before = found == saved_.end() ? Seconds{} : found->second;
  for (int phase = 0; phase < StepClock::checkpoint; ++phase) {
    const auto i = static_cast<std::size_t>(phase);
    add(undone, seconds_[i] - before[i]);
    seconds_[i] = before[i];
  }
  saved_.erase(saved_.upper_bound(step), saved_.end());
}

nlohmann::json RunTimes::record() const {
  nlohmann::json seconds = {
      {"total", std::chrono::duration<double>(Clock::now() - begin_).count()}};
  for (std::size_t phase = 0; phase < phases; ++phase)
    seconds[kPhaseNames[phase]] = seconds_[phase];
  return seconds;
}

}  // namespace ripieno
