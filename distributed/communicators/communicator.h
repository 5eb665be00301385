// Communicator: one rank's endpoint of a process group, whose ranks are processes or threads.
//
// Collectives are ordered: every rank calls the same ones in the same order, with tensors of the
// same size and element type, from one thread at a time.
//
// Tensors are contiguous; any shape, any size including 0, on the CPU or a GPU. Sums (all_reduce,
// reduce_scatter) require float32, float64, bfloat16, float16 or int64; the other collectives
// accept every element type. A call returns when the result is available (on a GPU: when it is
// enqueued).
//
// Sums are taken in rank order, the 16-bit types in float32, so the result is bitwise identical on
// every rank and with every communicator over host memory. Exception: where several hosts have
// several ranks each, the ranks of a host are summed (and rounded) first, then the hosts, both in
// order, so that the network carries each element once per host. NCCL (nccl.h) sums in its own
// order.
//
// Every collective throws Error for tensors that do not meet these requirements, and
// CommunicationFailure when a peer is lost or times out. After such a failure every further
// collective of the communicator throws CommunicationFailure.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ripieno/core/device/device.h"
#include "ripieno/core/device/memory.h"
#include "ripieno/core/tensor.h"

namespace ripieno::distributed {

class Communicator {
 public:
  virtual ~Communicator() = default;

  virtual int rank() const = 0;
  virtual int size() const = 0;
  // Rank and number of ranks among those of the group that are on this host.
  virtual int local_rank() const = 0;
  virtual int local_size() const = 0;

  // Replaces x by the sum of all ranks' x.   x: (n) elements.
  virtual void all_reduce(const Tensor& x) = 0;
  // Writes the r-th of size() equal parts of the sum of all ranks' in to out of rank r.
  // in: (size() * n) elements, out: (n); out may be this rank's part of in.
  virtual void reduce_scatter(const Tensor& out, const Tensor& in) = 0;
  // Writes all ranks' in, in rank order, to out of every rank.
  // in: (n) elements, out: (size() * n); in may be this rank's part of out.
  virtual void all_gather(const Tensor& out, const Tensor& in) = 0;
  // Sends the r-th of size() equal parts of in to rank r, and writes the parts received, in rank
  // order of their senders, to out.   in, out: (size() * n) elements; they must not overlap.
  virtual void all_to_all(const Tensor& out, const Tensor& in) = 0;
  // Copies x of rank `root` to x of all other ranks.   x: (n) elements.
  virtual void broadcast(const Tensor& x, int root) = 0;
  // Returns once every rank has called it.
  virtual void barrier() = 0;

  // A second communicator of the same ranks. Its collectives are ordered independently of this
  // one's, so another thread may use it. A collective.
  virtual std::unique_ptr<Communicator> duplicate() = 0;
  // A communicator of the ranks that pass the same color, which is at least 0. New ranks are
  // ordered by key, then by rank in this communicator. Its collectives are ordered independently.
  // A collective. Throws Error for a negative color.
  virtual std::unique_ptr<Communicator> split(int color, int key) = 0;

  // Host memory of `bytes` on this rank that the other ranks can access, so that collectives of
  // tensors at the same offset on every rank copy nothing. Null if this communicator gains nothing
  // from it. All ranks must allocate the same sizes from it in the same order. A collective, and so
  // is its destruction, which must precede the communicator's. Also used by the communicator's
  // duplicates.
  virtual std::unique_ptr<MemoryResource> shared_memory(std::size_t bytes);

  // Why collectives of tensors on `device` cannot be recorded by a DeviceGraph; empty if they can.
  // Then all ranks must record the same ones, and all or none must replay them.
  virtual std::string obstacle_to_recording(Device device) const;
  // Calls enqueue(), which enqueues a graph with recorded collectives of this communicator on the
  // current stream. Each replay requires it: it takes its turn among the other collectives of the
  // device, and has the timeout of one, counted from its start. A collective.
  virtual void replay(const std::function<void()>& enqueue);

  // How long a collective waits for other ranks before it throws CommunicationFailure;
  // kDefaultTimeout until set. Later results of duplicate() and split() inherit it. Not a
  // collective.
  virtual void set_timeout(std::chrono::seconds timeout) = 0;
  static constexpr std::chrono::seconds kDefaultTimeout{600};
};

// A communicator of one rank: every collective copies in to out or does nothing.
std::unique_ptr<Communicator> alone();

// A group of `size` ranks inside this process: one communicator for each of `size` threads.
// Destroying one makes ranks that wait for it, now or later, throw CommunicationFailure. Throws
// Error unless size is at least 1.
std::vector<std::unique_ptr<Communicator>> in_process(int size);

}  // namespace ripieno::distributed
