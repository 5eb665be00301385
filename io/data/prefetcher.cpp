#include "ripieno/io/data/prefetcher.h"

#include <utility>

#include "ripieno/core/error.h"
#include "ripieno/core/start_thread.h"
#include "ripieno/core/trace.h"

namespace ripieno::io {

Prefetcher::Prefetcher(std::function<Batch(int64_t)> make, int64_t stride, int threads, int depth)
    : make_(std::move(make)), stride_(stride), ring_(static_cast<std::size_t>(depth)) {
  for (int i = 0; i < threads; ++i) {
    try {
      threads_.push_back(start_thread("to read ahead", [this] { work(); }));
    } catch (const ConfigurationError&) {  // cannot start another thread: fewer work as well
      if (threads_.empty()) throw;
      return;
    }
  }
}

Prefetcher::~Prefetcher() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  for (auto& thread : threads_) thread.join();
}

Batch Prefetcher::next() {
  std::unique_lock lock(mutex_);
  Entry& next = entry(taken_);
  {
    const trace::Scope traced({.name = "wait for a batch"});
    changed_.wait(lock, [&] { return next.batch || next.failure; });
  }
  if (next.failure) std::rethrow_exception(next.failure);
  Batch batch = *std::exchange(next.batch, std::nullopt);
  ++taken_;
  position_ += stride_;
  changed_.notify_all();
  return batch;
}

void Prefetcher::seek(int64_t position) {
  const std::lock_guard lock(mutex_);
  ++generation_;
  for (Entry& entry : ring_) entry = {};
  taken_ = started_ = 0;
  failed_ = false;
  position_ = start_ = position;
  changed_.notify_all();
}

void Prefetcher::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return stopping_ || has_room(); });
    if (stopping_) return;
    make_next(lock);
  }
}

void Prefetcher::make_next(std::unique_lock<std::mutex>& lock) {
  const int64_t generation = generation_;
  const int64_t index = started_++;
  const int64_t position = start_ + index * stride_;
  lock.unlock();
  Entry made;
  try {
    made.batch = make_(position);
  } catch (...) {
    made.failure = std::current_exception();
  }
  lock.lock();
  if (generation != generation_) return;
  if (made.failure) failed_ = true;
  entry(index) = std::move(made);
  changed_.notify_all();
}

}  // namespace ripieno::io
