// Work: what an operation does, for profiles: a name, and the memory traffic and arithmetic that
// follow from the shapes of its tensors.
#pragma once

#include <initializer_list>
#include <string_view>

#include "ripieno/core/device/device.h"
#include "ripieno/core/trace.h"

namespace ripieno {

class Tensor;

struct Work {
  // A literal: "linear"; "linear: weight gradient" for a part of a backward.
  std::string_view name;
  // Those that it reads or writes, at their size in memory; one that it changes in place is listed
  // twice, undefined ones are skipped. None: the traffic is unknown.
  std::initializer_list<const Tensor*> tensors = {};
  // Floating-point operations: a product and a sum count as two, a function such as exp() as one.
  int64_t flops = trace::kUnknown;
  int64_t more_bytes = 0;  // that it reads and writes besides
};

// Reports an operation to the profile, if there is one, from construction to destruction. `device`:
// where it runs, on the current stream. Costs one atomic load without a profile.
class ProfiledOperation {
 public:
  ProfiledOperation(const Work& work, Device device)
      : sink_(trace::internal::profile.load(std::memory_order_acquire)) {
    if (sink_) [[unlikely]]
      begin(work, device);
  }
  // The same for the backward of a recorded operation, within which its operations are reported.
  explicit ProfiledOperation(std::string_view backward_of)
      : sink_(trace::internal::profile.load(std::memory_order_acquire)) {
    if (sink_) [[unlikely]]
      sink_->begin(
          {.kind = trace::Event::Kind::backward, .name = backward_of, .bytes = trace::kUnknown});
  }
  ~ProfiledOperation() {
    if (sink_) [[unlikely]]
      sink_->end({.kind = trace::Event::Kind::operation});
  }
  ProfiledOperation(const ProfiledOperation&) = delete;
  ProfiledOperation& operator=(const ProfiledOperation&) = delete;

 private:
  void begin(const Work& work, Device device);

  trace::Sink* const sink_;
};

}  // namespace ripieno
