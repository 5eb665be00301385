// ReducedGradients: the memory in which a rank keeps the gradients that a GradientReducer sums.
//
// Either all gradients (whole_gradients.h) or a shard of them (gradient_shard.h). For a bucket the
// reducer calls, in this order, take(), gradients_of(), keep() and detach().
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "ripieno/core/arena/arena.h"
#include "ripieno/distributed/gradients/buckets.h"

namespace ripieno::distributed {

class ReducedGradients {
 public:
  virtual ~ReducedGradients() = default;

  // Sets the buckets. Called before the first round and between steps.
  virtual void lay_out(const std::vector<Bucket>& buckets) = 0;

  // Whether gradients are summed after each micro-batch; else once per step.
  virtual bool sums_every_micro_batch() const = 0;
  // The maximum number of buckets that wait to be summed.
  virtual std::size_t most_in_flight() const { return std::numeric_limits<std::size_t>::max(); }

  // Begins a round. is_first: the first one of its step.
  virtual void begin_round(bool is_first) = 0;
  // Backward has ended: sets the gradients of parameters that it did not reach to zero.
  virtual void complete() = 0;

  // The bucket's gradients are complete and about to be summed. Called by the thread that runs
  // backward.
  virtual void take(std::size_t bucket) = 0;
  // The gradients of a bucket after take(): (bucket elements). Called by the thread that sums.
  virtual Tensor gradients_of(std::size_t bucket) = 0;
  // The bucket has been summed: stores what this rank keeps. Called by the thread that sums.
  virtual void keep(std::size_t bucket) = 0;
  // The bucket is no longer in use, on the device either. Called by the thread that runs backward.
  virtual void detach(std::size_t bucket) = 0;

  // The summed gradients that this rank keeps, which the optimizer reads.
  virtual Arena& kept() = 0;
  // The maximum of bytes that buckets in flight have taken at once, not counting kept().
  virtual int64_t most_transient_bytes() const = 0;
};

}  // namespace ripieno::distributed
