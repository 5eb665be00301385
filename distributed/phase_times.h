// PhaseTimes: how long the phases of training steps took where they were computed, for
// DataParallel.
//
// On a GPU a phase lies between two events on the current stream, whose times are read when they
// are done: the host waits for none. Each phase is also a range of a GPU profile and a phase of
// trace.h.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <vector>

#include "ripieno/core/device/profiled.h"
#include "ripieno/core/device/stream.h"
#include "ripieno/core/trace.h"

namespace ripieno::distributed {

struct ParallelSeconds {
  double backward = 0;
  double communication_exposed = 0;  // step() waiting for sums that backward did not hide
  double optimizer = 0;
};

class PhaseTimes {
 public:
  explicit PhaseTimes(Device device);

  // Since the beginning, as far as it is done.
  const ParallelSeconds& seconds();

  // A phase, for as long as it lives; one at a time.
  class Span {
   public:
    Span(PhaseTimes& times, double ParallelSeconds::*phase);
    ~Span();
    Span(const Span&) = delete;
    Span& operator=(const Span&) = delete;

   private:
    PhaseTimes& times_;
    Profiled profiled_;
    trace::Scope traced_;
  };

 private:
  // Where nobody asks for seconds(), the oldest are forgotten.
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
