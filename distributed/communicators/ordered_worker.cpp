#include "ripieno/distributed/communicators/ordered_worker.h"

#include "ripieno/core/device/device_graph.h"
#include "ripieno/core/start_thread.h"

namespace ripieno::distributed {

OrderedWorker::OrderedWorker(int tasks, std::function<void(int)> run, Mode mode, Device device)
    : tasks_(tasks), run_(std::move(run)), device_(device), stream_(device) {
  for (int task = 0; task < tasks; ++task) {
    released_at_.emplace_back(device);
    done_at_.emplace_back(device);
  }
  if (mode == Mode::in_thread) {
    thread_ = start_thread("to communicate during the backward pass", [this] { work(); });
  }
}

OrderedWorker::~OrderedWorker() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void OrderedWorker::release(int tasks) {
  {
    const std::lock_guard lock(mutex_);
    is_recorded_ = is_recording();
    for (int task = released_; task < tasks; ++task)
      released_at_[static_cast<std::size_t>(task)].record(current_stream(device_));
    released_ = tasks;
  }
  changed_.notify_all();
}

void OrderedWorker::wait(int tasks) {
  std::unique_lock lock(mutex_);
  while (runs_here() && done_ < tasks) run_next(lock);
  changed_.wait(lock, [&] { return done_ >= tasks; });
  if (failure_) std::rethrow_exception(failure_);
  if (tasks > 0) current_stream(device_).wait(done_at_[static_cast<std::size_t>(tasks) - 1]);
}

void OrderedWorker::finish() {
  release(tasks_);
  std::unique_lock lock(mutex_);
  while (runs_here() && done_ < tasks_) run_next(lock);
  changed_.wait(lock, [&] { return done_ == tasks_; });
  released_ = done_ = 0;
  if (failure_) std::rethrow_exception(failure_);
  if (tasks_ > 0) current_stream(device_).wait(done_at_.back());
}

void OrderedWorker::abandon() {
  const std::lock_guard lock(mutex_);
  released_ = done_ = 0;
  failure_ = nullptr;
}

void OrderedWorker::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return stopping_ || (!is_recorded_ && done_ < released_); });
    if (stopping_) return;
    run_next(lock);
    changed_.notify_all();
  }
}

void OrderedWorker::run_on_stream(int task) {
  const auto index = static_cast<std::size_t>(task);
  const OnStream on_stream(stream_);
  stream_.wait(released_at_[index]);
  run_(task);
  done_at_[index].record(stream_);
}

void OrderedWorker::run_next(std::unique_lock<std::mutex>& lock) {
  const int task = done_;
  const bool skip = failure_ != nullptr;
  lock.unlock();
  std::exception_ptr failure;
  try {
    if (!skip) run_on_stream(task);
  } catch (...) {
    failure = std::current_exception();
  }
  lock.lock();
  if (failure) failure_ = failure;
  ++done_;
}

}  // namespace ripieno::distributed
