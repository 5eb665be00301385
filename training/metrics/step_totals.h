// StepTotals: counts of a run since its start, written by the thread that trains and read by
// others. Neither waits for the other.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

namespace ripieno {

class StepTotals {
 public:
  // The upper limits in seconds of the buckets of step times; a last bucket has none.
  static constexpr std::array kLimits = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,  0.25,
                                         0.5,   1.0,    2.5,   5.0,  10.0,  25.0, 50.0, 100.0};
  // The phases, in the order of StepClock, then the evaluation.
  static constexpr std::array kPhases = {"data",      "forward",    "backward",  "communication",
                                         "optimizer", "checkpoint", "evaluation"};
  static constexpr std::size_t kStepPhases = kPhases.size() - 1;

  // On the thread that trains. `seconds`: of this step, by phase.
  void end_step(int64_t step, std::span<const double, kStepPhases> seconds) {
    double total = 0;
    for (std::size_t i = 0; i < seconds.size(); ++i) {
      total += seconds[i];
      add(seconds_[i], seconds[i]);
    }
    const auto bucket = std::lower_bound(kLimits.begin(), kLimits.end(), total) - kLimits.begin();
    add(counts_[static_cast<std::size_t>(bucket)], int64_t{1});
    step_.store(step, std::memory_order_relaxed);
  }
  void begin_after(int64_t step) { step_.store(step, std::memory_order_relaxed); }
  void add_evaluation(double seconds) { add(seconds_[kStepPhases], seconds); }
  void count_step_not_finite() { add(not_finite_, int64_t{1}); }
  void count_save(bool succeeded, int64_t unix_seconds) {
    if (succeeded) last_save_.store(unix_seconds, std::memory_order_relaxed);
    if (!succeeded) add(failed_saves_, int64_t{1});
  }

  // On any thread.
  int64_t step() const { return step_.load(std::memory_order_relaxed); }
  double seconds(std::size_t phase) const {
    return seconds_[phase].load(std::memory_order_relaxed);
  }
  int64_t count(std::size_t bucket) const {
    return counts_[bucket].load(std::memory_order_relaxed);
  }
  int64_t not_finite() const { return not_finite_.load(std::memory_order_relaxed); }
  int64_t failed_saves() const { return failed_saves_.load(std::memory_order_relaxed); }
  // Seconds since 1970; 0: none.
  int64_t last_save() const { return last_save_.load(std::memory_order_relaxed); }

 private:
  // Cheaper than fetch_add(), since only one thread writes.
  template <typename T>
  static void add(std::atomic<T>& number, T more) {
    number.store(number.load(std::memory_order_relaxed) + more, std::memory_order_relaxed);
  }

  std::atomic<int64_t> step_ = 0, not_finite_ = 0, failed_saves_ = 0, last_save_ = 0;
  std::array<std::atomic<double>, kPhases.size()> seconds_ = {};
  std::array<std::atomic<int64_t>, kLimits.size() + 1> counts_ = {};
};

}  // namespace ripieno
