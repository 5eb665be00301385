// SaveSchedule: when a run saves: every so many steps, or as often as what a save costs makes
// worthwhile.
//
// Times are seconds of one clock, whichever it is.
#pragma once

#include <cstdint>
#include <optional>

namespace ripieno {

class SaveSchedule {
 public:
  struct Options {
    std::optional<int64_t> every;  // steps; without it by time
    // By time: of the whole job. 0: not known; saving then takes at most 3 % of the time.
    double failures_per_day = 0;
  };
  // By time, none is due sooner after another: training loses less than that to a failure anyway.
  static constexpr double kShortestSeconds = 60;

  SaveSchedule(const Options& options, int64_t step, double now);

  bool is_due(int64_t step, double now) const;
  // A save begins after that step, whether it was due or not.
  void begin(int64_t step, double now);
  // The save that began last has failed: the next try is soon.
  void retry_soon(int64_t step, double now);

  // What the schedule by time learns from: how long a step took, and whether a save was written
  // meanwhile; how long training stood still for saving.
  void note_step(double seconds, bool while_saving);
  void note_wait(double seconds);

  // By time: what a save costs training, once one has ended, and the time from one to the next.
  std::optional<double> cost_seconds() const { return cost_; }
  double interval_seconds() const;

 private:
  void learn();

  Options options_;
  int64_t next_step_ = 0;
  double next_time_ = 0;
  std::optional<double> cost_;
  // Since the newest save began.
  double waited_ = 0, saving_seconds_ = 0, other_seconds_ = 0;
  int64_t saving_steps_ = 0, other_steps_ = 0;
};

// How many saves the steps from `step` to `last` make: at multiples of `every`, at multiples of
// `best_every` where that is not 0, and at the last. Without `every`, the first of those by time
// is counted, since nobody knows how many there will be.
int64_t saves_between(int64_t step, int64_t last, std::optional<int64_t> every, int64_t best_every);

// The time from save to save that loses least: to saving, each save costing `cost` seconds, and to
// failures, `failures_per_day`. J. T. Daly, "A higher order estimate of the optimum checkpoint
// interval for restart dumps", Future Generation Computer Systems 22 (2006), equation 37.
double daly_interval_seconds(double cost, double failures_per_day);

}  // namespace ripieno
