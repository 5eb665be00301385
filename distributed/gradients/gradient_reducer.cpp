#include "ripieno/distributed/gradients/gradient_reducer.h"

#include <algorithm>
#include <utility>

#include "ripieno/core/autograd.h"
#include "ripieno/core/device/profiled.h"
#include "ripieno/distributed/communicators/naming_failures.h"

namespace ripieno::distributed {
namespace {

// So that a slow link does not make all buckets of a shard wait in memory.
constexpr int kInFlight = 3;

}  // namespace

GradientReducer::Placement::Placement(const Parameters& parameters, Communicator& communicator)
    : parameters_(parameters) {
  Arena& gradients = parameters_.gradients();
  if (gradients.device().is_cuda()) return;
  memory_ = communicator.shared_memory(static_cast<std::size_t>(gradients.layout().elements()) *
                                       size_of(gradients.dtype()));
  if (memory_) gradients.place_in(memory_.get());
}

GradientReducer::Placement::~Placement() {
  if (memory_) parameters_.gradients().place_in(parameters_.resource());
}

GradientReducer::GradientReducer(const Parameters& parameters, Communicator& communicator,
                                 std::size_t bucket_bytes, OrderedWorker::Place place,
                                 const MakeSum& make_sum, bool shards_gradients)
    : parameters_(parameters),
      own_(place == OrderedWorker::Place::own_thread ? communicator.duplicate() : nullptr),
      communicator_(own_ ? *own_ : communicator),
      placement_(shards_gradients ? nullptr
                                  : std::make_unique<Placement>(parameters, communicator_)),
      sum_(make_sum(communicator_)),
      buckets_(
          buckets_of(parameters.layout(), size_of(parameters.gradients().dtype()), bucket_bytes)),
      shard_(shards_gradients ? std::make_unique<GradientShard>(
                                    parameters, buckets_, communicator.rank(), communicator.size())
                              : nullptr),
      in_flight_(place == OrderedWorker::Place::own_thread ? kInFlight : 0),
      bucket_of_(parameters.size()),
      awaited_(buckets_.size()),
      totals_({2}, DType::float64, parameters.gradients().device()),
      ranks_with_more_({1}, DType::int64),
      worker_(
          static_cast<int>(buckets_.size()) + 1, [this](int piece) { reduce(piece); }, place,
          totals_.device()) {
  for (std::size_t i = 0; i < buckets_.size(); ++i) {
    for (auto entry = buckets_[i].first_entry; entry < buckets_[i].entries_end; ++entry) {
      bucket_of_[entry] = i;
    }
  }
}

void GradientReducer::begin(const Tensor& sum, const Tensor& count, bool more) {
  totals_.slice(0, 0, 1).copy_from(sum.reshape({1}));
  totals_.slice(0, 1, 2).copy_from(count.reshape({1}));
  *ranks_with_more_.data<int64_t>() = more;
  for (std::size_t i = 0; i < buckets_.size(); ++i) awaited_[i] = awaited_of(buckets_[i]);
  ready_ = kept_ = 0;
  active_ = true;
  if (!shard_) zero_frozen();
  worker_.release(1);
}

void GradientReducer::complete(std::size_t parameter) {
  if (!active_) return;
  --awaited_[bucket_of_[parameter]];
  while (ready_ < buckets_.size() && awaited_[ready_] == 0) release();
}

void GradientReducer::complete_all() {
  active_ = false;
  if (shard_) {
    while (ready_ < buckets_.size()) release();
    return;
  }
  parameters_.complete_gradients();  // of buckets that are still held back, since one was missing
  worker_.release(static_cast<int>(buckets_.size()) + 1);
}

// No deadlock where it waits: of the buckets that ranks wait for, the first of the plan is released
// on all of them, or will be on those that do not wait.
void GradientReducer::release() {
  if (shard_) shard_->take(ready_);
  ++ready_;
  const int released = static_cast<int>(ready_) + 1;
  worker_.release(released);
  if (!shard_ || released <= in_flight_ + 1) return;
  worker_.wait(released - in_flight_);
  let_go(static_cast<std::size_t>(released - in_flight_) - 1);
}

// Of a shard: the first so many, which have been summed.
void GradientReducer::let_go(std::size_t buckets) {
  for (; kept_ < buckets; ++kept_) shard_->let_go(kept_);
}

const Tensor& GradientReducer::finish() {
  worker_.finish();
  if (shard_) let_go(buckets_.size());
  return totals_;
}

int64_t GradientReducer::transient_bytes() const {
  int64_t largest = 0;
  bool divides = true;
  for (const Bucket& bucket : buckets_) {
    largest = std::max(largest, bucket.end - bucket.begin);
    divides = divides && (bucket.end - bucket.begin) % communicator_.size() == 0;
  }
  largest *= static_cast<int64_t>(size_of(parameters_.gradients().dtype()));
  const int64_t copy = divides ? 0 : largest;  // for parts of the same length
  if (!shard_) return copy;
  // Those that wait, the one that is summed and the one that backward is at.
  const auto at_once =
      std::min<std::size_t>(buckets_.size(), static_cast<std::size_t>(in_flight_) + 2);
  return copy + std::max(shard_->most_bytes(), static_cast<int64_t>(at_once) * largest);
}

// Piece 0: the totals; then the buckets.
void GradientReducer::reduce(int piece) {
  if (piece == 0) {
    return naming_failures([] { return std::string("loss of a step"); },
                           [&] {
                             communicator_.all_reduce(totals_);
                             if (shard_) communicator_.all_reduce(ranks_with_more_);
                           });
  }
  const Bucket& bucket = buckets_[static_cast<std::size_t>(piece) - 1];
  naming_failures([&] { return "gradients of " + name_of(bucket, parameters_.layout()); },
                  [&] { reduce(bucket); });
}

void GradientReducer::reduce(const Bucket& bucket) {
  const Profiled profiled("sum of a bucket");
  Arena& gradients = parameters_.gradients();
  if (!shard_) return sum_->sum(bucket, gradients.range(bucket.begin, bucket.end));
  const auto index = static_cast<std::size_t>(&bucket - buckets_.data());
  sum_->sum(bucket, shard_->taken(index));
  shard_->keep(index);
}

// Nobody waits for frozen parameters, so their gradients have to be zero beforehand.
void GradientReducer::zero_frozen() const {
  for (const Tensor& parameter : parameters_.tensors()) {
    if (parameter.requires_gradient()) continue;
    autograd::Leaf& leaf = *parameter.implementation().leaf;
    if (!std::exchange(leaf.has_gradient, true)) leaf.gradient.fill(0.0);
  }
}

std::size_t GradientReducer::awaited_of(const Bucket& bucket) const {
  std::size_t count = 0;
  for (auto entry = bucket.first_entry; entry < bucket.entries_end; ++entry) {
    count += parameters_.tensors()[entry].requires_gradient();
  }
  return count;
}

}  // namespace ripieno::distributed
