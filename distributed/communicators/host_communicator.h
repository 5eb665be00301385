// HostCommunicator: what communicators over host memory share: they check the tensors, stage those
// of a GPU through host copies, and say in a failure which collective of what size it was.
//
// A communicator implements the collectives on plain memory.
#pragma once

#include <cstddef>

#include "ripieno/core/error.h"
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

 protected:
  std::chrono::seconds timeout() const { return timeout_; }
  // Runs `collective`; a CommunicationFailure leaves with its name and this rank's.
  template <typename Run>
  auto named(const Collective& collective, const Run& run) const {
    try {
      return run();
    } catch (const CommunicationFailure& failure) {
      rethrow(collective, failure);
    }
  }

 private:
  [[noreturn]] void rethrow(const Collective& collective,
                            const CommunicationFailure& failure) const;

  std::chrono::seconds timeout_ = kDefaultTimeout;
};

}  // namespace ripieno::distributed
