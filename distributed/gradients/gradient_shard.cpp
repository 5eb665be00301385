#include "ripieno/distributed/gradients/gradient_shard.h"

#include "ripieno/core/autograd.h"
#include "ripieno/core/ops/arithmetic.h"
#include "ripieno/core/optim/optimizer.h"
#include "ripieno/distributed/gradients/shards.h"

namespace ripieno::distributed {
namespace {

std::vector<ElementRange> ranges_of(const std::vector<Bucket>& buckets) {
  std::vector<ElementRange> ranges;
  for (const Bucket& bucket : buckets) ranges.push_back({bucket.begin, bucket.end});
  return ranges;
}

}  // namespace

GradientShard::GradientShard(const Parameters& parameters, int rank, int size,
                             std::size_t most_in_flight)
    : parameters_(parameters), rank_(rank), size_(size), most_in_flight_(most_in_flight) {}

void GradientShard::lay_out(const std::vector<Bucket>& buckets) {
  Arena& gradients = parameters_.gradients();
  buckets_ = buckets;
  ranges_ = owned_by(buckets_, rank_, size_);
  owned_ = std::make_unique<Arena>(optim::Optimizer::shard_layout(ranges_), gradients.dtype(),
                                   gradients.device(), parameters_.resource());
  parts_ = std::make_unique<ArenaParts>(gradients, ranges_of(buckets_));
  taken_.resize(buckets_.size());
  owned_->materialize();
}

void GradientShard::take(std::size_t index) {
  const Bucket& bucket = buckets_[index];
  for (auto entry = bucket.first_entry; entry < bucket.entries_end; ++entry) {
    parameters_.complete_gradient(entry);
    Tensor(parameters_.tensors()[entry]).clear_gradient();
  }
  taken_[index] = parts_->take(index);
}

void GradientShard::keep(std::size_t index) {
  const NoGrad no_grad;
  const auto& [begin, end] = ranges_[index];
  const int64_t first = buckets_[index].begin;
  const Tensor summed = taken_[index].slice(0, begin - first, end - first);
  Tensor target = owned_->tensors()[index];
  is_first_ ? target.copy_from(summed) : add_into(target, summed);
}

}  // namespace ripieno::distributed
