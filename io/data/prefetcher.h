// Prefetcher: prepares the next batches in background threads, for BatchLoader.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "ripieno/io/data/batch.h"

namespace ripieno::io {

class Prefetcher {
 public:
  // The threads call `make` with the position of a batch: 0, stride, 2 * stride, …; at most `depth`
  // batches are prepared in advance. `make` must be thread-safe. If fewer than `threads` threads
  // can be started, works with those; throws ConfigurationError if none can.
  Prefetcher(std::function<Batch(int64_t position)> make, int64_t stride, int threads = 1,
             int depth = 2);
  ~Prefetcher();

  // Blocks until the batch at position() is ready, returns it and advances. If `make` threw for
  // this batch, rethrows the exception, on every call until the next seek().
  Batch next();
  int64_t position() const { return position_; }
  // Continues at `position`. Batches prepared so far are discarded.
  void seek(int64_t position);

 private:
  // A batch that is being prepared (neither member set), is ready, or failed.
  struct Entry {
    std::optional<Batch> batch;
    std::exception_ptr failure;
  };

  void work();
  void make_next(std::unique_lock<std::mutex>& lock);
  Entry& entry(int64_t index) { return ring_[static_cast<std::size_t>(index) % ring_.size()]; }
  bool has_room() const {
    return started_ - taken_ < static_cast<int64_t>(ring_.size()) && !failed_;
  }

  const std::function<Batch(int64_t)> make_;
  const int64_t stride_;
  int64_t position_ = 0;  // of the next batch to return; calling thread only

  std::mutex mutex_;  // guards all members below
  std::condition_variable changed_;
  std::vector<Entry> ring_;
  int64_t start_ = 0;       // position of batch 0: that of the last seek
  int64_t taken_ = 0;       // batches returned since the last seek
  int64_t started_ = 0;     // batches started since then; those from taken_ are in the ring
  int64_t generation_ = 0;  // counts seeks, to discard batches started before the last one
  bool failed_ = false;
  bool stopping_ = false;

  std::vector<std::thread> threads_;  // last, so that all other members exist when they start
};

}  // namespace ripieno::io
