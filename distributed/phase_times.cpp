#include "ripieno/distributed/phase_times.h"

#include "ripieno/core/device/device_graph.h"

namespace ripieno::distributed {
namespace {

const char* name_of(double ParallelSeconds::*phase) {
  if (phase == &ParallelSeconds::backward) return "backward";
  return phase == &ParallelSeconds::optimizer ? "optimizer" : "communication";
}

}  // namespace

PhaseTimes::PhaseTimes(Device device) : device_(device) {
  for (std::size_t i = 0; i < kMostPending; ++i) ring_.push_back(std::make_unique<Pending>(device));
}

const ParallelSeconds& PhaseTimes::seconds() {
  for (; oldest_ < next_ && at(oldest_).end.is_done(); ++oldest_) {
    const Pending& done = at(oldest_);
    seconds_.*done.phase += done.end.milliseconds_since(done.begin) / 1000;
  }
  return seconds_;
}

PhaseTimes::Span::Span(PhaseTimes& times, double ParallelSeconds::*phase)
    : times_(times),
      is_measured_(!is_recording()),
      profiled_(name_of(phase)),
      traced_({.name = name_of(phase)}) {
  if (!is_measured_) return;
  if (times_.next_ - times_.oldest_ == kMostPending) ++times_.oldest_;
  Pending& pending = times_.at(times_.next_);
  pending.phase = phase;
  pending.begin.record(current_stream(times_.device_));
}

PhaseTimes::Span::~Span() {
  if (!is_measured_) return;
  try {
    times_.at(times_.next_).end.record(current_stream(times_.device_));
    ++times_.next_;
  } catch (...) {  // the device has failed; the next call will report it
  }
}

}  // namespace ripieno::distributed
