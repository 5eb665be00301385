#include "ripieno/distributed/ordered_worker.h"

namespace ripieno::distributed {

OrderedWorker::OrderedWorker(int pieces, std::function<void(int)> run, Place place)
    : pieces_(pieces), run_(std::move(run)) {
  if (place == Place::own_thread) thread_ = std::thread([this] { work(); });
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
    released_ = pieces;
  }
  changed_.notify_all();
}

void OrderedWorker::wait(int pieces) {
  std::unique_lock lock(mutex_);
  while (!thread_.joinable() && done_ < pieces) run_next(lock);
  changed_.wait(lock, [&] { return done_ >= pieces; });
  if (failure_) std::rethrow_exception(failure_);
}

void OrderedWorker::finish() {
  release(pieces_);
  std::unique_lock lock(mutex_);
  while (!thread_.joinable() && done_ < pieces_) run_next(lock);
  changed_.wait(lock, [&] { return done_ == pieces_; });
  released_ = done_ = 0;
  if (failure_) std::rethrow_exception(failure_);
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

void OrderedWorker::run_next(std::unique_lock<std::mutex>& lock) {
  const int piece = done_;
  const bool skip = failure_ != nullptr;
  lock.unlock();
  std::exception_ptr failure;
  try {
    if (!skip) run_(piece);
  } catch (...) {
    failure = std::current_exception();
  }
  lock.lock();
  if (failure) failure_ = failure;
  ++done_;
}

}  // namespace ripieno::distributed
