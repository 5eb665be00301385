#include "ripieno/training/watch/watchdog.h"

#include <algorithm>
#include <chrono>
#include <ctime>
#include <utility>

#include "ripieno/core/start_thread.h"

namespace ripieno::watch {
namespace {

constexpr double kPatience = 3;  // of activities that may be long, as a multiple of the limit
constexpr double kSlowStep = 3;  // a step may always take so many times the median
constexpr double kLateTick = 5;  // seconds; a later one means that the process was stopped
constexpr double kWarnAfterSteps = 5, kWarnAfterSeconds = 30;

int64_t now(clockid_t clock = CLOCK_MONOTONIC) {
  timespec time = {};
  clock_gettime(clock, &time);
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

double seconds_between(int64_t begin, int64_t end) {
  return static_cast<double>(end - begin) / 1e9;
}

}  // namespace

const char* name_of(Activity activity) {
  constexpr const char* kNames[] = {"load", "start", "step", "validation", "save", "end"};
  return kNames[static_cast<int>(activity)];
}

double limit_of(Activity activity, double limit_seconds, double median_seconds) {
  if (activity == Activity::load || limit_seconds <= 0) return 0;
  if (activity == Activity::step) return std::max(limit_seconds, kSlowStep * median_seconds);
  return kPatience * limit_seconds;
}

double warning_of(double limit, double median_seconds) {
  return std::min(std::max(kWarnAfterSteps * median_seconds, kWarnAfterSeconds), limit / 2);
}

void MedianStep::add(double seconds) {
  seconds_[count_++ % seconds_.size()] = seconds;
  const bool is_early = count_ == 1 || count_ == 4;
  if (!is_early && count_ % 16 != 0) return;
  auto sorted = seconds_;
  const auto filled = std::min(count_, seconds_.size());
  const auto middle = sorted.begin() + static_cast<std::ptrdiff_t>(filled / 2);
  std::nth_element(sorted.begin(), middle, sorted.begin() + static_cast<std::ptrdiff_t>(filled));
  median_ = *middle;
}

Watchdog::Watchdog(double limit_seconds, Actions actions)
    : limit_seconds_(limit_seconds),
      actions_(std::move(actions)),
      period_seconds_(limit_seconds > 0 ? std::clamp(limit_seconds / 20, 0.01, 1.0) : 1),
      since_(now()),
      thread_(start_thread("to watch that the run proceeds", [this] { work(); })) {}

Watchdog::~Watchdog() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Watchdog::enter(Activity activity, double median_seconds) {
  since_.store(now(), std::memory_order_relaxed);
  median_.store(median_seconds, std::memory_order_relaxed);
  activity_.store(activity, std::memory_order_relaxed);
}

void Watchdog::proceed() { since_.store(now(), std::memory_order_relaxed); }

double Watchdog::limit() const {
  return limit_of(activity(), limit_seconds_, median_.load(std::memory_order_relaxed));
}

void Watchdog::work() {
  std::unique_lock lock(mutex_);
  for (int64_t last = now();;) {
    const std::chrono::duration<double> period(period_seconds_);
    if (changed_.wait_for(lock, period, [&] { return stopping_; })) return;
    lock.unlock();
    look(last);
    last = now();
    lock.lock();
  }
}

void Watchdog::look(int64_t last) {
  if (actions_.tick) actions_.tick();
  const int64_t time = now();
  const double late = seconds_between(last, time) - period_seconds_;
  if (late > kLateTick) {
    resumed_ = time;
    if (late > longest_gap_seconds()) {
      gap_seconds_ = late;
      gap_ended_ = now(CLOCK_REALTIME);
    }
  }
  const int64_t since = since_.load(std::memory_order_relaxed);
  const double seconds = seconds_between(std::max(since, resumed_), time);
  const double limit = this->limit();
  if (limit <= 0) return;
  if (seconds > limit && std::exchange(stalled_, since) != since) return actions_.stall(seconds);
  const bool warns =
      seconds > warning_of(limit, median_.load(std::memory_order_relaxed)) && seconds <= limit;
  if (warns && std::exchange(warned_, since) != since) actions_.warn(seconds);
}

}  // namespace ripieno::watch
