#include "ripieno/distributed/communicators/ordered_worker.h"

#include "ripieno/core/start_thread.h"

namespace ripieno::distributed {

OrderedWorker::OrderedWorker(int pieces, std::function<void(int)> run, Place place, Device device)
    : pieces_(pieces), run_(std::move(run)), device_(device), stream_(device) {
  for (int piece = 0; piece < pieces; ++piece) {
    released_at_.emplace_back(device);
    done_at_.emplace_back(device);
  }
  if (place == Place::own_thread) {
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

void OrderedWorker::release(int pieces) {
  {
    const std::lock_guard lock(mutex_);
    for (int piece = released_; piece < pieces; ++piece)
      released_at_[static_cast<std::size_t>(piece)].record(current_stream(device_));
    released_ = pieces;
  }
  changed_.notify_all();
}

void OrderedWorker::wait(int pieces) {
  std::unique_lock lock(mutex_);
  while (!thread_.joinable() && done_ < pieces) run_next(lock);
  changed_.wait(lock, [&] { return done_ >= pieces; });
  if (failure_) std::rethrow_exception(failure_);
  if (pieces > 0) current_stream(device_).wait(done_at_[static_cast<std::size_t>(pieces) - 1]);
}

void OrderedWorker::finish() {
  release(pieces_);
  std::unique_lock lock(mutex_);
  while (!thread_.joinable() && done_ < pieces_) run_next(lock);
  changed_.wait(lock, [&] { return done_ == pieces_; });
  released_ = done_ = 0;
  if (failure_) std::rethrow_exception(failure_);
  if (pieces_ > 0) current_stream(device_).wait(done_at_.back());
}

void OrderedWorker::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return stopping_ || done_ < released_; });
    if (stopping_) return;
    run_next(lock);
    changed_.notify_all();
  }
}

void OrderedWorker::run_on_stream(int piece) {
  const auto index = static_cast<std::size_t>(piece);
  const OnStream on_stream(stream_);
  stream_.wait(released_at_[index]);
  run_(piece);
  done_at_[index].record(stream_);
}

void OrderedWorker::run_next(std::unique_lock<std::mutex>& lock) {
  const int piece = done_;
  const bool skip = failure_ != nullptr;
  lock.unlock();
  std::exception_ptr failure;
  try {
    if (!skip) run_on_stream(piece);
  } catch (...) {
    failure = std::current_exception();
  }
  lock.lock();
  if (failure) failure_ = failure;
  ++done_;
}

}  // namespace ripieno::distributed
