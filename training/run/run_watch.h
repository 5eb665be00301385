// RunWatch: what a run tells its recorder, and which rank is slower than the others. Used by Run.
#pragma once

#include <array>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "ripieno/core/nn/module.h"
#include "ripieno/io/data/loader.h"
#include "ripieno/training/run/run_options.h"
#include "ripieno/training/run/step_clock.h"
#include "ripieno/training/session/exit_status.h"
#include "ripieno/training/session/session.h"
#include "ripieno/training/watch/rank_times.h"
#include "ripieno/training/watch/recorder.h"

namespace ripieno {

class RunWatch {
 public:
  // A collective.
  RunWatch(Session& session, const std::string& directory, nn::Module& model,
           const io::Loader& loader, const RunOptions& options);
  ~RunWatch();

  // One line about ranks whose record is not on storage, empty if there are none. The same on all
  // ranks. A collective.
  std::string remark();

  void enter(Activity activity);
  void proceed();
  // Enters an activity for its lifetime, then the one before.
  class During {
   public:
    During(RunWatch& watch, Activity activity)
        : watch_(watch), before_(watch.activity_), exceptions_(std::uncaught_exceptions()) {
      watch_.enter(activity);
    }
    ~During() {
      if (std::uncaught_exceptions() == exceptions_) watch_.enter(before_);
    }
    During(const During&) = delete;
    During& operator=(const During&) = delete;

   private:
    RunWatch& watch_;
    const Activity before_;
    const int exceptions_;
  };

  using Seconds = std::array<double, StepClock::phases>;
  // A step is done. From the second one on, steps have the limit of a step.
  void end_step(int64_t step, const Seconds& seconds);
  // Time of a validation.
  void add_validation(double seconds);
  // The run has ended with this status.
  void end(ExitStatus status);

  // The times of this rank's steps, to be summed over the ranks, followed by take_times().
  std::span<int64_t> offer_times() { return times_.offer(); }
  // Returns the slowest rank from time to time, on rank 0.
  std::optional<watch::RankTimes::Slowest> take_times();
  // A line for the log if a rank has become a straggler or is none anymore; else empty.
  std::string straggler_line(const watch::RankTimes::Slowest& slowest);

 private:
  void name_buckets(nn::Module& model, const RunOptions& options);

  Session& session_;
  std::unique_ptr<watch::Recorder> recorder_;  // null if the process records another run
  Activity activity_ = Activity::load;
  watch::RankTimes times_;
  int64_t exchanges_ = 0;
  int suspect_ = -1, straggler_ = -1;  // ranks; -1: none
};

}  // namespace ripieno
