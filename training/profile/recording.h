// Recording: the sink that collects the events of a process for a profile.
#pragma once

#include <cstdint>
#include <memory>

#include "ripieno/core/device/device.h"
#include "ripieno/training/profile/recorded.h"

namespace ripieno::profiles {

inline constexpr int64_t kMostIntervals = 200'000;  // of a process: about 20 MB

// Records all threads from construction to stop(). Operations on `device`, if that is a GPU, are
// also measured there, between two events on their stream.
class Recording {
 public:
  // Null if another recording of this process is running.
  static std::unique_ptr<Recording> start(Device device, int64_t most_intervals = kMostIntervals);
  ~Recording();
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;

  // By the thread that started it, which is the training thread.
  void begin_step(int64_t number);
  // Ends the recording; waits for the device. Events that are still running are left out. To be
  // called once.
  Recorded stop();

 private:
  Recording() = default;

  Recorded recorded_;
};

}  // namespace ripieno::profiles
