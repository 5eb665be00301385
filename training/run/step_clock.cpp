#include "ripieno/training/run/step_clock.h"

#include <algorithm>
#include <numeric>

namespace ripieno {
namespace {

constexpr const char* kNames[StepClock::phases] = {
    "data", "forward", "backward", "communication_exposed", "optimizer", "checkpoint"};

}  // namespace

void StepClock::charge(Phase phase) {
  const auto now = Clock::now();
  const double seconds = std::chrono::duration<double>(now - last_).count();
  seconds_[phase] += seconds;
  totals_[phase] += seconds;
  last_ = now;
}

double StepClock::move(Phase from, Phase to, double seconds) {
  const double moved = std::min(seconds, seconds_[from]);
  seconds_[from] -= moved;
  seconds_[to] += moved;
  totals_[from] -= moved;
  totals_[to] += moved;
  return moved;
}

void StepClock::divide(const distributed::ParallelSeconds& total) {
  const auto take = [&](Phase to, double distributed::ParallelSeconds::*seconds) {
    // The seconds of a GPU arrive late, and may exceed those of the steps since.
    divided_.*seconds += move(forward, to, total.*seconds - divided_.*seconds);
  };
  take(backward, &distributed::ParallelSeconds::backward);
  take(communication_exposed, &distributed::ParallelSeconds::communication_exposed);
  take(optimizer, &distributed::ParallelSeconds::optimizer);
}

std::array<double, StepClock::phases> StepClock::take_totals() {
  auto seconds = totals_;
  for (std::size_t i = 0; i < seconds.size(); ++i) seconds[i] -= taken_[i];
  taken_ = totals_;
  return seconds;
}

double StepClock::seconds_without_checkpoint() const {
  const double total = std::accumulate(seconds_.begin(), seconds_.end(), 0.0);
  return (total - seconds_[checkpoint]) / steps();
}

std::vector<std::pair<std::string, double>> StepClock::take(bool knows_phases) {
  std::vector<std::pair<std::string, double>> means;
  for (int phase = 0; phase < phases; ++phase) {
    if (!knows_phases && phase >= forward && phase <= optimizer) continue;
    means.emplace_back(kNames[phase], seconds_[static_cast<std::size_t>(phase)] / steps());
  }
  means.emplace_back("total", std::accumulate(seconds_.begin(), seconds_.end(), 0.0) / steps());
  seconds_ = {};
  steps_ = 0;
  return means;
}

}  // namespace ripieno
