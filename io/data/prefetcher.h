// Prefetcher: makes the next batches in a thread of its own while a step runs, for the loaders.
#pragma once

#include <array>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

#include "ripieno/io/data/loader.h"

namespace ripieno::io {

class Prefetcher {
 public:
  // `make` is called in the thread, with the position of a batch; positions are `stride` apart,
  // from 0 on.
  Prefetcher(std::function<Batch(int64_t position)> make, int64_t stride);
  ~Prefetcher();

  // Waits for the batch at position(), and moves on. Throws what `make` threw, until the next seek.
  Batch next();
  int64_t position() const { return position_; }
  void seek(int64_t position);

 private:
  static constexpr int kDepth = 2;  // batches made ahead

  void work();
  bool has_room() const { return ready_ < kDepth && !failure_; }

  const std::function<Batch(int64_t)> make_;
  const int64_t stride_;
  int64_t position_ = 0;  // of the caller

  std::mutex mutex_;  // of everything below
  std::condition_variable changed_;
  std::array<std::optional<Batch>, kDepth> queue_;  // a ring
  int oldest_ = 0;
  int ready_ = 0;
  int64_t next_made_ = 0;   // the position of the batch that is made next
  int64_t generation_ = 0;  // counts seeks, so that a batch begun before one is dropped
  std::exception_ptr failure_;
  bool stopping_ = false;

  std::thread thread_;  // last, so that it starts when all else is there
};

}  // namespace ripieno::io
