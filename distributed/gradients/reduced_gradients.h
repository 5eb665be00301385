// ReducedGradients: where a rank keeps the gradients that a GradientReducer sums.
//
// The reducer decides when a bucket is summed; this provides the memory: whole gradients
// (whole_gradients.h) or a shard of them (gradient_shard.h).
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

  // Uses these buckets from now on. Called before the first round and between steps.
  virtual void lay_out(const std::vector<Bucket>& buckets) = 0;

  // Whether each micro-batch is a round of its own; else only the last one of a step.
  virtual bool sums_every_micro_batch() const = 0;
  // How many buckets may wait to be summed at once.
  virtual std::size_t most_in_flight() const { return std::numeric_limits<std::size_t>::max(); }

  // A round begins, the first one of its step or a later one.
  virtual void begin_round(bool is_first) = 0;
  // Backward is over: gradients of parameters that it did not reach are zero from here on.
  virtual void complete() = 0;

  // The bucket's gradients are complete, and it is about to be summed. Called, as detach(), by the
  // thread that runs backward.
  virtual void take(std::size_t bucket) = 0;
  // The gradients of a bucket that was taken: (elements). Called, as keep(), by the thread that
  // sums.
  virtual Tensor gradients_of(std::size_t bucket) = 0;
  // The bucket has been summed.
  virtual void keep(std::size_t bucket) = 0;
  // No work on the device still reads the bucket.
  virtual void detach(std::size_t bucket) = 0;

  // The gradients that this rank keeps between steps.
  virtual Arena& kept() = 0;
  // The most memory that buckets in flight have taken at once, beside kept().
  virtual int64_t most_transient_bytes() const = 0;
};

}  // namespace ripieno::distributed
