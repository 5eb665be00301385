#include "ripieno/distributed/gradients/gradient_shard.h"

#include <utility>

#include "ripieno/core/autograd.h"
#include "ripieno/core/device/copy.h"
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

GradientShard::GradientShard(const Parameters& parameters, std::vector<Bucket> buckets, int rank,
                             int size)
    : parameters_(parameters),
      buckets_(std::move(buckets)),
      ranges_(owned_by(buckets_, rank, size)),
      owned_(optim::Optimizer::shard_layout(ranges_), parameters.gradients().dtype(),
             parameters.gradients().device(), parameters.resource()),
      parts_(parameters.gradients(), ranges_of(buckets_)),
      taken_(buckets_.size()) {
  owned_.materialize();
}

void GradientShard::take(std::size_t index) {
  const Bucket& bucket = buckets_[index];
  for (auto entry = bucket.first_entry; entry < bucket.entries_end; ++entry) {
    autograd::Leaf& leaf = *parameters_.tensors()[entry].implementation().leaf;
    if (std::exchange(leaf.has_gradient, false)) continue;
    zero_bytes(leaf.gradient.raw_data(), leaf.gradient.device(), leaf.gradient.bytes());
  }
  taken_[index] = parts_.take(index);
}

void GradientShard::keep(std::size_t index) {
  const NoGrad no_grad;
  const auto& [begin, end] = ranges_[index];
  const int64_t first = buckets_[index].begin;
  const Tensor summed = taken_[index].slice(0, begin - first, end - first);
  Tensor own = owned_.tensors()[index];
  is_first_ ? own.copy_from(summed) : add_into(own, summed);
}

}  // namespace ripieno::distributed
