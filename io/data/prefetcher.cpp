#include "ripieno/io/data/prefetcher.h"

#include <utility>

namespace ripieno::io {

Prefetcher::Prefetcher(std::function<Batch(int64_t)> make, int64_t stride)
    : make_(std::move(make)), stride_(stride), thread_([this] { work(); }) {}

Prefetcher::~Prefetcher() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

Batch Prefetcher::next() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return ready_ > 0 || failure_; });
  if (ready_ == 0) std::rethrow_exception(failure_);
  Batch batch = *std::exchange(queue_[oldest_], std::nullopt);
  oldest_ = (oldest_ + 1) % kDepth;
  --ready_;
  position_ += stride_;
  changed_.notify_all();
  return batch;
}

void Prefetcher::seek(int64_t position) {
  const std::lock_guard lock(mutex_);
  ++generation_;
  queue_ = {};
  ready_ = 0;
  failure_ = nullptr;
  position_ = next_made_ = position;
  changed_.notify_all();
}

void Prefetcher::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return stopping_ || has_room(); });
    if (stopping_) return;
    const int64_t generation = generation_;
    const int64_t position = next_made_;
    lock.unlock();
    std::optional<Batch> batch;
    std::exception_ptr failure;
    try {
      batch = make_(position);
    } catch (...) {
      failure = std::current_exception();
    }
    lock.lock();
    if (generation != generation_) continue;
    if (batch) {
      queue_[(oldest_ + ready_++) % kDepth] = std::move(batch);
      next_made_ += stride_;
    }
    failure_ = failure;
    changed_.notify_all();
  }
}

}  // namespace ripieno::io
