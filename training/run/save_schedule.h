// SaveSchedule: decides when a run saves: at a fixed interval in steps, or at an interval in time
// that follows from the measured cost of a save.
//
// Times are in seconds, all on the same monotonic clock.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>

namespace ripieno {

class SaveSchedule {
 public:
  struct Options {
    std::optional<int64_t> every;  // in steps; empty: by time
    // By time: failures of the whole job per day. 0: unknown; saving takes at most 3 % of the time.
    double failures_per_day = 0;
  };
  // By time, the first save is due this long after the start, whatever it will cost: so a short run
  // has a checkpoint, and the cost of a save is known early.
  static constexpr double kFirstSeconds = 10;
  // The shortest interval by time after that: a failure then costs at most that much training.
  static constexpr double kShortestSeconds = 60;

  SaveSchedule(const Options& options, int64_t step, double now);

  bool is_due(int64_t step, double now) const;
  // A save starts after `step`, whether it was due or not.
  void begin(int64_t step, double now);
  // The last save failed: the next one is due soon.
  void retry_soon(int64_t step, double now);

  // The measurements from which the interval by time follows: the duration of a step and whether a
  // save was running meanwhile, and the time that training waited for a save.
  void note_step(double seconds, bool while_saving);
  void note_wait(double seconds);

  // By time: the cost of a save, once another has started after it, and the interval that follows.
  std::optional<double> cost_seconds() const { return cost_; }
  double interval_seconds() const { return interval_for(cost_); }

 private:
  std::optional<double> estimated_cost() const;
  double interval_for(std::optional<double> cost) const;
  void set_next_step(int64_t step);

  Options options_;
  int64_t next_step_ = 0;
  double started_;  // when the last save was, or the schedule
  double retry_time_ = std::numeric_limits<double>::infinity();
  bool has_saved_ = false;
  std::optional<double> cost_;
  double usual_step_seconds_ = std::numeric_limits<double>::infinity();  // before the last save
  // Since the last save started.
  double waited_ = 0, saving_seconds_ = 0, other_seconds_ = 0;
  int64_t saving_steps_ = 0, other_steps_ = 0;
};

// The number of saves after `step` up to `last`: at multiples of `every`, at multiples of
// `best_every` unless that is 0, and at `last`. If `every` is empty, saves by time, whose number is
// unknown, count as one.
int64_t saves_between(int64_t step, int64_t last, std::optional<int64_t> every, int64_t best_every);

// The interval between saves, in seconds, that minimizes the time lost to saving (`cost` seconds
// per save) and to failures. J. T. Daly, "A higher order estimate of the optimum checkpoint
// interval for restart dumps", Future Generation Computer Systems 22 (2006), equation 37.
double daly_interval_seconds(double cost, double failures_per_day);

}  // namespace ripieno
