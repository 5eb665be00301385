// Prefetcher: makes the next batches in threads of its own while a step runs, for BatchLoader.
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
  // `make` is called in the threads, with the position of a batch; positions are `stride` apart,
  // from 0 on. At most `depth` batches are made ahead.
  Prefetcher(std::function<Batch(int64_t position)> make, int64_t stride, int threads = 1,
             int depth = 2);
  ~Prefetcher();

  // Waits for the batch at position(), and moves on. Throws what `make` threw, until the next seek.
  Batch next();
  int64_t position() const { return position_; }
  void seek(int64_t position);

 private:
  // A batch that is being made, or is there, or could not be made; in the order of positions.
  struct Slot {
    std::optional<Batch> batch;
    std::exception_ptr failure;
  };

  void work();
  void make_next(std::unique_lock<std::mutex>& lock);
  Slot& slot(int64_t index) { return slots_[static_cast<std::size_t>(index) % slots_.size()]; }
  bool has_room() const {
    return begun_ - taken_ < static_cast<int64_t>(slots_.size()) && !failed_;
  }

  const std::function<Batch(int64_t)> make_;
  const int64_t stride_;
  int64_t position_ = 0;  // of the caller

  std::mutex mutex_;  // of everything below
  std::condition_variable changed_;
  std::vector<Slot> slots_;  // a ring
  int64_t start_ = 0;        // the position of batch 0, to which the last seek went
  int64_t taken_ = 0;        // batches since then
  int64_t begun_ = 0;        // as above; those in between are in the ring
  int64_t generation_ = 0;   // counts seeks, so that a batch begun before one is dropped
  bool failed_ = false;
  bool stopping_ = false;

  std::vector<std::thread> threads_;  // last, so that they start when all else is there
};

}  // namespace ripieno::io
