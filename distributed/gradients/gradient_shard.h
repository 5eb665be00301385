// GradientShard: each rank keeps only its shard of the gradients (ZeRO stage 2: Rajbhandari et al.,
// 2020, arXiv:1910.02054).
//
// A bucket has memory from the time backward reaches its first gradient until it is summed over the
// ranks.
#pragma once

#include <memory>
#include <vector>

#include "ripieno/core/arena/arena_parts.h"
#include "ripieno/core/arena/parameters.h"
#include "ripieno/distributed/gradients/reduced_gradients.h"

namespace ripieno::distributed {

class GradientShard final : public ReducedGradients {
 public:
  // The shard of rank `rank` of `size`. At most `most_in_flight` buckets wait to be summed, so that
  // a slow link does not keep all of them in memory. For the lifetime of this object the
  // parameters' gradient arena has no memory.
  GradientShard(const Parameters& parameters, int rank, int size, std::size_t most_in_flight);

  // Called once. The buckets must cover the arena, including frozen parameters.
  void lay_out(const std::vector<Bucket>& buckets) override;
  bool sums_every_micro_batch() const override { return true; }
  std::size_t most_in_flight() const override { return most_in_flight_; }
  void begin_round(bool is_first) override { is_first_ = is_first; }
  void complete() override {}
  void take(std::size_t bucket) override;
  Tensor gradients_of(std::size_t bucket) override { return taken_[bucket]; }
  // Adds this rank's range of the bucket to kept(), or overwrites it in the first round of a step.
  void keep(std::size_t bucket) override;
  void detach(std::size_t bucket) override { taken_[bucket] = {}; }
  // This rank's range of each bucket, in the order of the buckets: the sum over the ranks and the
  // micro-batches of the step.
  Arena& kept() override { return *owned_; }
  int64_t most_transient_bytes() const override { return parts_->peak_size_bytes(); }

 private:
  Parameters parameters_;
  const int rank_, size_;
  const std::size_t most_in_flight_;
  std::vector<Bucket> buckets_;
  std::vector<ElementRange> ranges_;  // (buckets) owned by this rank
  std::unique_ptr<Arena> owned_;
  std::unique_ptr<ArenaParts> parts_;
  std::vector<Tensor> taken_;  // (buckets)
  bool is_first_ = true;       // round of the step
};

}  // namespace ripieno::distributed
