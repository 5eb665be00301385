// HostCommunicator: what communicators over host memory share: they check the tensors, stage those
// of a GPU through host copies, and say in a failure which collective of what size it was.
//
// A communicator implements the collectives on plain memory.
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

  // On plain memory; nothing is checked, and failures leave as they are.
  // x: (elements) on every rank, summed in place.
  virtual void sum_everywhere(const Collective& collective, std::byte* x) = 0;
  // out: (elements), in: (size, elements); out may be this rank's part of in.
  virtual void sum_parts(const Collective& collective, std::byte* out, const std::byte* in) = 0;
  // out: (size, elements), in: (elements); in may be this rank's part of out.
  virtual void gather(const Collective& collective, std::byte* out, const std::byte* in) = 0;
  // out and in: (size, elements), apart from each other.
  virtual void exchange(const Collective& collective, std::byte* out, const std::byte* in) = 0;
  virtual void copy_from_root(const Collective& collective, std::byte* x) = 0;
  virtual void meet(const Collective& collective) = 0;
  // A collective of this communicator ended with a CommunicationFailure.
  virtual void failed() {}

 protected:
  std::chrono::seconds timeout() const { return timeout_; }
  // Runs `collective`, reports it to trace.h, and adds its name and this rank to a
  // CommunicationFailure.
  template <typename Run>
  auto named(const Collective& collective, const Run& run) {
    const trace::Scope traced({.kind = trace::Event::Kind::collective,
                               .name = name_of(collective.kind),
                               .bytes = static_cast<int64_t>(collective.bytes())});
    if (!failure_.empty()) fail_again(collective);
    try {
      return run();
    } catch (const CommunicationFailure& failure) {
      rethrow(collective, failure);
    }
  }

 private:
  [[noreturn]] void rethrow(const Collective& collective, const CommunicationFailure& failure);
  // The ranks of a group that has failed are not in step, so nothing it does can be trusted.
  [[noreturn]] void fail_again(const Collective& collective) const;

  std::chrono::seconds timeout_ = kDefaultTimeout;
  std::string failure_;  // of the first collective that failed
};

}  // namespace ripieno::distributed
