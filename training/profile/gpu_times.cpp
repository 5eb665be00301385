#include "ripieno/training/profile/gpu_times.h"

#include <time.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "ripieno/core/device/device_graph.h"

namespace ripieno::profiles {
namespace {

int64_t ns_of(double milliseconds) { return static_cast<int64_t>(milliseconds * 1e6); }

}  // namespace

GpuTimes::GpuTimes(Device device, int64_t started)
    : device_(device), start_(device, /*timed=*/true) {
  const Stream& stream = compute_stream(device);
  stream.synchronize();
  start_.record(stream);
  start_.synchronize();
  timespec now = {};
  clock_gettime(CLOCK_MONOTONIC, &now);
  started_ = int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec - started;
}

GpuTimes::Pair* GpuTimes::begin(const Interval& interval) noexcept {
  try {
    const std::lock_guard lock(mutex_);
    if (is_closed_) return nullptr;
    if (pairs_.size() >= kMostPairs || is_recording()) {
      ++untimed_;
      return nullptr;
    }
    auto pair = std::make_unique<Pair>(device_);
    pair->stream = &current_stream(device_);
    pair->interval = interval;
    pair->begin.record(*pair->stream);
    return pairs_.emplace_back(std::move(pair)).get();
  } catch (...) {  // the device has failed; the next call will report it
    return nullptr;
  }
}

void GpuTimes::end(Pair& pair) noexcept {
  try {
    const std::lock_guard lock(mutex_);
    if (is_closed_) return;  // the pair is gone
    pair.end.record(*pair.stream);
    pair.is_measured = true;
  } catch (...) {  // as above
  }
}

std::vector<Track> GpuTimes::take_tracks() {
  const std::lock_guard lock(mutex_);
  is_closed_ = true;
  std::map<const Stream*, Track> by_stream;
  for (const auto& pair : std::exchange(pairs_, {})) {
    if (!pair->is_measured) continue;
    pair->end.synchronize();
    Interval interval = pair->interval;
    interval.begin = started_ + ns_of(pair->begin.milliseconds_since(start_));
    interval.duration = interval.own = ns_of(pair->end.milliseconds_since(pair->begin));
    by_stream[pair->stream].intervals.push_back(interval);
  }
  std::vector<Track> tracks;
  for (auto& [stream, track] : by_stream) {
    const bool is_compute = stream == &compute_stream(device_);
    track.kind = Track::Kind::stream;
    track.name =
        to_string(device_) +
        (is_compute ? ", compute stream" : ", stream " + std::to_string(tracks.size() + 2));
    std::ranges::stable_sort(track.intervals, {}, &Interval::begin);
    // The resolution of events is about 0.5 us, so that neighbors could overlap.
    int64_t end = 0;
    for (Interval& interval : track.intervals) {
      const int64_t late = std::clamp<int64_t>(end - interval.begin, 0, interval.duration);
      interval.begin += late;
      interval.duration = interval.own = interval.duration - late;
      end = interval.begin + interval.duration;
    }
    tracks.push_back(std::move(track));
  }
  return tracks;
}

}  // namespace ripieno::profiles
