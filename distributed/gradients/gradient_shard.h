// GradientShard: the gradients where each rank keeps only what it owns of them (ZeRO stage 2:
// Rajbhandari et al., 2020, arXiv 1910.02054).
//
// A bucket's gradients have memory from when backward reaches the first of them until they are
// summed over the ranks. The thread that goes backwards takes them and lets them go, the reducer's
// keeps them.
#pragma once

#include <vector>

#include "ripieno/core/arena/arena_parts.h"
#include "ripieno/core/arena/parameters.h"
#include "ripieno/distributed/gradients/buckets.h"

namespace ripieno::distributed {

class GradientShard {
 public:
  // Of rank `rank` of `size`. While it lives, the parameters' own gradients have no memory.
  GradientShard(const Parameters& parameters, std::vector<Bucket> buckets, int rank, int size);

  // What this rank owns of each bucket, in the order of the plan: the sum over the ranks and the
  // micro-batches of the step.
  Arena& owned() { return owned_; }
  // Whether what is kept next is of the step's first micro-batch, which begins that sum anew.
  void begin_micro_batch(bool is_first) { is_first_ = is_first; }

  // The bucket's gradients, (elements), zero where backward did not reach: to be summed.
  void take(std::size_t bucket);
  const Tensor& taken(std::size_t bucket) const { return taken_[bucket]; }
  // They are summed: adds what this rank owns of them.
  void keep(std::size_t bucket);
  // Lets them go, once nothing that the device was given still reads them.
  void let_go(std::size_t bucket) { taken_[bucket] = {}; }

  // The most that buckets took at once.
  int64_t most_bytes() const { return parts_.most_bytes(); }

 private:
  Parameters parameters_;
  std::vector<Bucket> buckets_;
  std::vector<ElementRange> ranges_;  // (buckets) that this rank owns
  Arena owned_;
  ArenaParts parts_;
  std::vector<Tensor> taken_;  // (buckets)
  bool is_first_ = true;       // micro-batch of the step
};

}  // namespace ripieno::distributed
