// GradientReducer: sums the gradients of all ranks, bucket by bucket, while backward makes them.
//
// Buckets are reduced in the order of the plan on every rank, whatever the order in which gradients
// complete.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ripieno/core/arena/parameters.h"
#include "ripieno/distributed/communicators/communicator.h"
#include "ripieno/distributed/communicators/ordered_worker.h"
#include "ripieno/distributed/gradients/buckets.h"
#include "ripieno/distributed/gradients/gradient_shard.h"
#include "ripieno/distributed/gradients/gradient_sum.h"

namespace ripieno::distributed {

class GradientReducer {
 public:
  using MakeSum = std::function<std::unique_ptr<GradientSum>(Communicator&)>;

  // Reduces in a thread of its own, over its own duplicate of `communicator`, or over
  // `communicator` itself within finish(). `make_sum` is given the one that it reduces over. With
  // `shards_gradients` each rank keeps only what it owns, and every micro-batch is a round.
  GradientReducer(const Parameters& parameters, Communicator& communicator,
                  std::size_t bucket_bytes, OrderedWorker::Place place,
                  const MakeSum& make_sum = sum_by_all_reduce, bool shards_gradients = false);

  const std::vector<Bucket>& buckets() const { return buckets_; }
  // The one that it reduces over: between finish() and begin() it is free for others to use.
  Communicator& communicator() { return communicator_; }
  // What this rank keeps of the gradients where they are sharded, else null.
  GradientShard* shard() { return shard_.get(); }

  // What the way of summing keeps on this rank.
  int64_t kept_bytes() const { return sum_->kept_bytes(); }
  // Where the optimizer's state is sharded, what buckets take at once beside what is kept: as is to
  // be expected, or more where it was more.
  int64_t transient_bytes() const;

  // A backward begins, the step's last one unless gradients are sharded; `sum` and `count` of this
  // rank's loss (scalars) are reduced along, and where they are sharded whether it has `more`
  // micro-batches.
  void begin(const Tensor& sum, const Tensor& count, bool more = false);
  // The gradient of a parameter (its index) is complete.
  void complete(std::size_t parameter);
  // Backward is over: every gradient is there, or zero.
  void complete_all();
  // All are summed (on a GPU: for what its current stream is given from now on). Sum and count of
  // all ranks: (2), float64, where the gradients are.
  const Tensor& finish();
  // After finish(), where gradients are sharded: whether a rank has more micro-batches.
  bool has_more() const { return *ranks_with_more_.data<int64_t>() > 0; }

 private:
  // Gradients in memory of a communicator's where it sums them without a copy.
  class Placement {
   public:
    Placement(const Parameters& parameters, Communicator& communicator);
    ~Placement();
    Placement(const Placement&) = delete;
    Placement& operator=(const Placement&) = delete;

   private:
    Parameters parameters_;
    std::unique_ptr<MemoryResource> memory_;
  };

  void reduce(int piece);
  void reduce(const Bucket& bucket);
  void release();
  void let_go(std::size_t buckets);
  void zero_frozen() const;
  std::size_t awaited_of(const Bucket& bucket) const;

  Parameters parameters_;
  std::unique_ptr<Communicator> own_;
  Communicator& communicator_;
  std::unique_ptr<Placement> placement_;  // where the gradients are whole
  std::unique_ptr<GradientSum> sum_;
  std::vector<Bucket> buckets_;
  std::unique_ptr<GradientShard> shard_;
  const int in_flight_;                 // buckets of a shard that wait to be summed, at most
  std::vector<std::size_t> bucket_of_;  // (parameters)
  std::vector<std::size_t> awaited_;    // (buckets) gradients that are not complete yet
  std::size_t ready_ = 0;               // buckets before this one are released
  bool active_ = false;
  std::size_t kept_ = 0;    // buckets of a shard before this one were let go
  Tensor totals_;           // (2) float64: the loss's sum and count
  Tensor ranks_with_more_;  // (1) int64, on the host
  OrderedWorker worker_;    // last: its thread uses all of these
};

}  // namespace ripieno::distributed
