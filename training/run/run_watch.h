// RunWatch: what a run tells its recorder, and which rank is slower than the others. Used by Run
// and Keeper.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ripieno/core/nn/module.h"
#include "ripieno/distributed/data_parallel.h"
#include "ripieno/training/run/run_saves.h"
#include "ripieno/training/run/step_clock.h"
#include "ripieno/training/session/exit_status.h"
#include "ripieno/training/session/session.h"
#include "ripieno/training/watch/processor_wait.h"
#include "ripieno/training/watch/rank_times.h"
#include "ripieno/training/watch/recorder.h"
#include "ripieno/training/watch/steady_finding.h"
#include "ripieno/training/watch/watch_options.h"

namespace ripieno {

struct RunWatchOptions {
  std::string directory;  // of the run
  int reader_threads = 0;
  const distributed::DataParallel* parallel = nullptr;
  WatchOptions watch = {};
  std::FILE* messages = nullptr;  // null: none
};

class RunWatch {
 public:
  // A collective.
  RunWatch(Session& session, nn::Module& model, const RunWatchOptions& options);
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
  // Lines for the log, empty if there is nothing new to say: a rank has become a straggler or is
  // none anymore; the steps have become mostly communication, or are not anymore. After each
  // take_times() that returned something.
  std::string straggler_line(const watch::RankTimes::Slowest& slowest);
  std::string communication_line();
  // The same about a rank that takes longer than others to write its part of saves. After each save
  // for which training has waited.
  std::string slow_shard_line(const RunSaves::ShardTimes& times);

 private:
  void name_buckets(nn::Module& model, const distributed::DataParallel* parallel);
  void read_processor_wait();

  Session& session_;
  std::unique_ptr<watch::Recorder> recorder_;  // null if the process records another run
  Activity activity_ = Activity::load;
  watch::RankTimes times_;
  int64_t exchanges_ = 0;
  bool has_crowded_host_ = false;  // with more compute threads than cores
  static constexpr int kNone = -1;
  // A rank or kNone; whether the network is slow. Others may disturb a single look.
  watch::SteadyFinding straggler_{kNone}, slow_network_{false}, slow_writer_{kNone};

  // Of the thread that trains, at the last steps at which it was read.
  struct Wait {
    std::chrono::steady_clock::time_point time;
    double seconds = 0;
  };
  watch::ProcessorWait processor_wait_;
  static constexpr int64_t kReads = 4;  // over 64 steps
  std::array<Wait, kReads> waits_ = {};
  int64_t steps_ = 0, reads_ = 0;
};

}  // namespace ripieno
