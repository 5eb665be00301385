#include "ripieno/distributed/strategies/slot_team.h"

#include <utility>

#include "ripieno/core/error.h"
#include "ripieno/core/start_thread.h"
#include "ripieno/kernels/cpu_threads.h"

namespace ripieno::distributed {

SlotTeam::SlotTeam(int threads) {
  try {
    for (int i = 1; i < threads; ++i) {
      others_.push_back(start_thread("to compute a slot", [this] { work(); }));
    }
  } catch (const ConfigurationError&) {  // results do not depend on the number of threads
  }
}

SlotTeam::~SlotTeam() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : others_) thread.join();
}

void SlotTeam::run_everywhere(std::function<void()> body) {
  {
    const std::lock_guard lock(mutex_);
    body_ = std::move(body);
    running_ = static_cast<int>(others_.size());
    ++round_;
  }
  changed_.notify_all();
  const int threads = kernels::cpu_threads();
  kernels::set_cpu_threads(1);
  run_here();
  kernels::set_cpu_threads(threads);
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return running_ == 0; });
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

void SlotTeam::work() {
  std::unique_lock lock(mutex_);
  for (int64_t seen = 0;;) {
    changed_.wait(lock, [&] { return stopping_ || round_ > seen; });
    if (stopping_) return;
    seen = round_;
    lock.unlock();
    run_here();
    lock.lock();
    if (--running_ == 0) changed_.notify_all();
  }
}

void SlotTeam::run_here() {
  try {
    body_();
  } catch (...) {
    const std::lock_guard lock(mutex_);
    if (!failure_) failure_ = std::current_exception();
  }
}

}  // namespace ripieno::distributed
