// ByteProgress: a progress line for the bytes that a tool reads or writes, shown if stderr is a
// terminal, and the total rate at the end.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>

#include "ripieno/io/run/progress.h"

namespace ripieno::tools {

class ByteProgress {
 public:
  ByteProgress(int64_t total_bytes, bool quiet);

  // add: `bytes` more; reach: `bytes` in total. Thread-safe.
  void add(int64_t bytes);
  void reach(int64_t bytes);
  // Ends the line and returns "1.49 GB in 0.71 s, 2.10 GB/s".
  std::string finish();

 private:
  io::ProgressState state() const;

  const int64_t total_bytes_;
  const bool shows_;
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::mutex mutex_;
  int64_t bytes_ = 0;
  io::Progress progress_;
};

}  // namespace ripieno::tools
