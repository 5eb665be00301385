// Watchdog: a thread that detects that a run does not proceed. It only looks at the time.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>

#include "ripieno/training/watch/watch_options.h"

namespace ripieno::watch {

// "load", "start", "step", "validation", "save", "end"
const char* name_of(Activity activity);

// After how many seconds without progress the run is taken to hang; 0: never.
// median_seconds: of recent steps, 0: unknown.
double limit_of(Activity activity, double limit_seconds, double median_seconds);
// After how many a line warns: five times the median step, but at least 30, and at half the limit
// where that is earlier.
double warning_of(double limit, double median_seconds);

// The median of the last 64 step times, updated every 16 steps.
class MedianStep {
 public:
  void add(double seconds);
  double value() const { return median_; }

 private:
  std::array<double, 64> seconds_ = {};
  std::size_t count_ = 0;
  double median_ = 0;
};

class Watchdog {
 public:
  // Called on the watchdog's thread with the seconds without progress, once each time.
  struct Actions {
    std::function<void(double seconds)> warn, stall;
    std::function<void()> tick = {};  // at least once per second
  };
  Watchdog(double limit_seconds, Actions actions);
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  // These two by the thread that trains.
  void enter(Activity activity, double median_seconds);
  void proceed();
  Activity activity() const { return activity_.load(std::memory_order_relaxed); }
  double limit() const;  // of the current activity

  // The longest time in which the thread did not run although it wanted to, because the process was
  // stopped (SIGSTOP, a paused host); 0 if there was none. And when that ended, ns since 1970.
  double longest_gap_seconds() const { return gap_seconds_.load(std::memory_order_relaxed); }
  int64_t gap_ended_unix() const { return gap_ended_.load(std::memory_order_relaxed); }

 private:
  void work();
  void look(int64_t last);

  const double limit_seconds_;
  const Actions actions_;
  const double period_seconds_;
  std::atomic<Activity> activity_ = Activity::load;
  std::atomic<double> median_ = 0;
  std::atomic<int64_t> since_;  // ns; when something last proceeded
  std::atomic<double> gap_seconds_ = 0;
  std::atomic<int64_t> gap_ended_ = 0;
  int64_t resumed_ = 0;                 // ns; the end of the last gap
  int64_t warned_ = -1, stalled_ = -1;  // since_ when the actions were called last

  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;
  std::thread thread_;  // last, because it uses the other members
};

}  // namespace ripieno::watch
