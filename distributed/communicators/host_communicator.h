// HostCommunicator: base of the communicators over host memory. It checks tensors, stages GPU
// tensors through pinned host copies, and adds the collective and its size to failure messages.
//
// A derived class implements the collectives on raw host memory.
#pragma once

#include <cstddef>
#include <string>

#include "ripieno/core/error.h"
#include "ripieno/core/trace.h"
#include "ripieno/distributed/communicators/collective.h"
#include "ripieno/distributed/communicators/communicator.h"

namespace ripieno::distributed {

class HostCommunicator : public Communicator {
 public:
  void all_reduce(const Tensor& x) final;
  void reduce_scatter(const Tensor& out, const Tensor& in) final;
  void all_gather(const Tensor& out, const Tensor& in) final;
  void all_to_all(const Tensor& out, const Tensor& in) final;
  void broadcast(const Tensor& x, int root) final;
  void barrier() final;
  void set_timeout(std::chrono::seconds timeout) override { timeout_ = timeout; }

  // The collectives on raw memory: arguments are not checked, failures propagate unchanged.
  // Shapes are in elements; `elements` is collective.elements.
  // all_reduce.   x: (elements), summed in place.
  virtual void sum_everywhere(const Collective& collective, std::byte* x) = 0;
  // reduce_scatter.   out: (elements), in: (size, elements); out may be this rank's part of in.
  virtual void sum_parts(const Collective& collective, std::byte* out, const std::byte* in) = 0;
  // all_gather.   out: (size, elements), in: (elements); in may be this rank's part of out.
  virtual void gather(const Collective& collective, std::byte* out, const std::byte* in) = 0;
  // all_to_all.   out, in: (size, elements), not overlapping.
  virtual void exchange(const Collective& collective, std::byte* out, const std::byte* in) = 0;
  // broadcast from collective.root.   x: (elements).
  virtual void copy_from_root(const Collective& collective, std::byte* x) = 0;
  // barrier.
  virtual void meet(const Collective& collective) = 0;
  // Called after a collective of this communicator has thrown CommunicationFailure.
  virtual void failed() {}
  // What trace.h reports of the group. Set by the communicator from which this one was made.
  TracedGroup& traced() { return traced_; }

 protected:
  std::chrono::seconds timeout() const { return timeout_; }
  // Returns run(). Reports the collective to trace.h, and adds its name and this rank to a
  // CommunicationFailure.
  template <typename Run>
  auto named(const Collective& collective, const Run& run) {
    const trace::Scope traced(traced_.next(collective, rank(), size()));
    if (!failure_.empty()) fail_again(collective);
    try {
      return run();
    } catch (const CommunicationFailure& failure) {
      rethrow(collective, failure);
    }
  }

  // Gives a communicator made from this one, which may be of one rank only, its identity.
  void trace_child(Communicator& child, int color) {
    const TracedGroup group = traced_.child(color);
    if (auto* host = dynamic_cast<HostCommunicator*>(&child)) host->traced_ = group;
  }

 private:
  [[noreturn]] void rethrow(const Collective& collective, const CommunicationFailure& failure);
  // After a failure the ranks may be at different collectives, so no further one can succeed.
  [[noreturn]] void fail_again(const Collective& collective) const;

  std::chrono::seconds timeout_ = kDefaultTimeout;
  TracedGroup traced_;
  std::string failure_;  // message of the first collective that failed
};

}  // namespace ripieno::distributed
