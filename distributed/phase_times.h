// PhaseTimes: measures how long the phases of training steps take on the device, for DataParallel.
//
// On a GPU a phase is measured by two events on the current stream, read once they have completed,
// so the host does not wait. A step that is recorded is not measured, since its replays do not
// measure their phases either (core/device/device_graph.h). Each phase is also a range in GPU
// profiles and a phase of trace.h.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <vector>

#include "ripieno/core/device/profiled.h"
#include "ripieno/core/device/stream.h"
#include "ripieno/core/trace.h"

namespace ripieno::distributed {

// Total time of each phase, in seconds.
struct ParallelSeconds {
  double backward = 0;
  double communication_exposed = 0;  // waiting in step() that does not overlap with backward
  double optimizer = 0;
};

class PhaseTimes {
 public:
  explicit PhaseTimes(Device device);

  // Totals since construction, of phases that have completed.
  const ParallelSeconds& seconds();

  // Measures a phase for its lifetime, unless this thread is recording; one at a time.
  class Span {
   public:
    Span(PhaseTimes& times, double ParallelSeconds::*phase);
    ~Span();
    Span(const Span&) = delete;
    Span& operator=(const Span&) = delete;

   private:
    PhaseTimes& times_;
    const bool is_measured_;
    Profiled profiled_;
    trace::Scope traced_;
  };

 private:
  // If seconds() is not called, the oldest phases are dropped and not counted.
  static constexpr std::size_t kMostPending = 64;

  struct Pending {
    explicit Pending(Device device) : begin(device, /*timed=*/true), end(device, /*timed=*/true) {}
    double ParallelSeconds::*phase = nullptr;
    Event begin, end;
  };

  Pending& at(std::size_t index) { return *ring_[index % kMostPending]; }

  Device device_;
  std::vector<std::unique_ptr<Pending>> ring_;
  std::size_t oldest_ = 0, next_ = 0;
  ParallelSeconds seconds_;
};

}  // namespace ripieno::distributed
