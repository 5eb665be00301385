// Communicator: one rank's end of a group of processes (or threads) that train together.
//
// Collectives are ordered: every rank calls the same ones, in the same order, with tensors of the
// same size and element type, one thread at a time. Sums are taken in rank order, in float for the
// 16-bit types, so the result has the same bits on every rank and with every communicator; but
// where several hosts have several ranks each, those of a host are summed (and rounded) first, and
// then the hosts, both in order, so that the network carries each number once a host. Sums
// take float32, float64, bfloat16, float16 and int64; what only copies takes every type. Tensors
// are dense; any shape, any size, 0 too. A call returns when the result is there (on a GPU: when it
// is enqueued). All throw CommunicationFailure when a peer is lost or does not come in time, and
// from then on; and Error for tensors that do not fit.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <vector>

#include "ripieno/core/device/memory.h"
#include "ripieno/core/tensor.h"

namespace ripieno::distributed {

class Communicator {
 public:
  virtual ~Communicator() = default;

  virtual int rank() const = 0;
  virtual int size() const = 0;
  // Among the ranks on this host.
  virtual int local_rank() const = 0;
  virtual int local_size() const = 0;

  // Leaves the sum of every rank's `x` in every rank's `x`.
  virtual void all_reduce(const Tensor& x) = 0;
  // Leaves rank r's part, the r-th of size() equal parts of the sum of every rank's `in`, in rank
  // r's `out`, which may be that part of its `in`.
  virtual void reduce_scatter(const Tensor& out, const Tensor& in) = 0;
  // Leaves every rank's `in`, in rank order, in every rank's `out`; `in` may be this rank's part of
  // `out`.
  virtual void all_gather(const Tensor& out, const Tensor& in) = 0;
  // Sends the r-th of size() equal parts of `in` to rank r, and leaves what every rank sent here,
  // in rank order, in `out`, which lies elsewhere. Takes every element type.
  virtual void all_to_all(const Tensor& out, const Tensor& in) = 0;
  // Copies the root's `x` over every other rank's.
  virtual void broadcast(const Tensor& x, int root) = 0;
  // Returns once every rank has called it.
  virtual void barrier() = 0;

  // A second group of the same ranks, whose collectives are ordered apart from this one's. A
  // collective.
  virtual std::unique_ptr<Communicator> duplicate() = 0;
  // The group of those that call it with the same color (0 or more), in the order of their keys,
  // then of their ranks here. Its collectives are ordered apart. A collective.
  virtual std::unique_ptr<Communicator> split(int color, int key) = 0;

  // `bytes` of host memory of this rank in which the others sum in place, with nothing copied: a
  // tensor of each rank at the same place in it. Null where no memory is better than any other. The
  // ranks allocate alike from it. A collective, and so is its destruction, which comes before the
  // communicator's. Serves the communicator's duplicates too.
  virtual std::unique_ptr<MemoryResource> shared_memory(std::size_t bytes);

  // How long a collective waits for other ranks before it throws CommunicationFailure. What comes
  // of duplicate() and split() later begins with it.
  virtual void set_timeout(std::chrono::seconds timeout) = 0;
  // Until then.
  static constexpr std::chrono::seconds kDefaultTimeout{600};
};

// A group of one: every collective is the identity.
std::unique_ptr<Communicator> alone();

// `size` communicators joined inside this process, one for each of `size` threads. A rank leaves by
// destroying its own; others that still wait for it then throw CommunicationFailure.
std::vector<std::unique_ptr<Communicator>> in_process(int size);

}  // namespace ripieno::distributed
