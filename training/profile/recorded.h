// Recorded: what one process did while it was profiled, as intervals on its threads and GPU
// streams.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ripieno/core/trace.h"

namespace ripieno::profiles {

// Times are in ns, since the start of the recording.
struct Interval {
  trace::Event::Kind kind = trace::Event::Kind::operation;
  std::string_view name;
  // The innermost phase around it; "backward" within the backward of an operation; or empty.
  std::string_view phase;
  int64_t begin = 0, duration = 0;
  int64_t own = 0;  // without the intervals in it
  int64_t bytes = trace::kUnknown, flops = trace::kUnknown;
  int bucket = -1;

  // Phases are not operations. A backward is one if no operation was reported in it.
  bool is_operation() const {
    if (kind == trace::Event::Kind::backward) return own == duration;
    return kind != trace::Event::Kind::phase;
  }
};

// Intervals of a track nest: two of them are disjoint, or one contains the other.
struct Track {
  enum class Kind { training_thread, other_thread, stream };

  Kind kind = Kind::training_thread;
  std::string name = {};
  std::vector<Interval> intervals = {};  // by their ends; those of a stream by their beginnings
};

struct Step {
  int64_t number = 0, begin = 0, duration = 0;
};

struct Recorded {
  int64_t started_unix = 0;  // ns since 1970
  int64_t duration = 0;
  std::vector<Step> steps = {};
  std::vector<Track> tracks = {};  // the training thread first
  bool reached_limit = false;      // of intervals, which ended the recording
  int64_t untimed = 0;             // operations on a GPU that could not be measured there
};

}  // namespace ripieno::profiles
