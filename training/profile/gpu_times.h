// GpuTimes: measures operations on the streams of one GPU, by pairs of events.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "ripieno/core/device/stream.h"
#include "ripieno/training/profile/recorded.h"

namespace ripieno::profiles {

// Thread-safe.
class GpuTimes {
 public:
  // Waits for the compute stream, to relate the times of device and host. `started`: of the
  // recording, in ns of CLOCK_MONOTONIC.
  GpuTimes(Device device, int64_t started);

  struct Pair {
    explicit Pair(Device device) : begin(device, /*timed=*/true), end(device, /*timed=*/true) {}
    Event begin, end;
    const Stream* stream = nullptr;
    Interval interval;
    bool is_measured = false;
  };
  // Records the beginning of `interval` on the current stream. Null if there are too many, if the
  // stream is being recorded as a graph, or if the device has failed.
  Pair* begin(const Interval& interval) noexcept;
  void end(Pair& pair) noexcept;

  // A track per stream, of pairs that have ended; later calls do nothing. Waits for the device.
  std::vector<Track> take_tracks();
  // Number of operations for which begin() returned null.
  int64_t untimed() const { return untimed_; }

 private:
  static constexpr std::size_t kMostPairs = 1 << 16;

  const Device device_;
  Event start_;
  int64_t started_ = 0;
  std::mutex mutex_;
  std::deque<std::unique_ptr<Pair>> pairs_;
  int64_t untimed_ = 0;
  bool is_closed_ = false;
};

}  // namespace ripieno::profiles
