// GradientReducer: sums the gradients of all ranks, bucket by bucket, while backward makes them.
//
// Buckets are reduced in the order of the plan on every rank, whatever the order in which gradients
// complete. The reducer decides when a bucket is summed, its GradientSum how, and its
// ReducedGradients where the numbers are.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "ripieno/core/arena/parameters.h"
#include "ripieno/distributed/communicators/communicator.h"
#include "ripieno/distributed/communicators/ordered_worker.h"
#include "ripieno/distributed/gradients/buckets.h"
#include "ripieno/distributed/gradients/gradient_sum.h"
#include "ripieno/distributed/gradients/reduced_gradients.h"
#include "ripieno/distributed/gradients/whole_gradients.h"

namespace ripieno::distributed {

class GradientReducer {
 public:
  using MakeSum = std::function<std::unique_ptr<GradientSum>(Communicator&)>;
  using MakeGradients =
      std::function<std::unique_ptr<ReducedGradients>(const Parameters&, Communicator&)>;

  // Reduces in a thread of its own, over its own duplicate of `communicator`, or over
  // `communicator` itself within finish(). Both makers are given the communicator that it reduces
  // over.
  GradientReducer(const Parameters& parameters, Communicator& communicator,
                  std::size_t bucket_bytes, OrderedWorker::Place place,
                  const MakeSum& make_sum = sum_by_all_reduce,
                  const MakeGradients& make_gradients = whole_gradients);

  // Of the whole arena, frozen parameters included.
  const std::vector<Bucket>& buckets() const { return buckets_; }
  // Whether a bucket has parameters that train, and how many buckets have some.
  bool trains(std::size_t bucket) const { return !runs_[bucket].empty(); }
  std::size_t trained_buckets() const;
  // The communicator that it reduces over: free for other uses between finish() and begin().
  Communicator& communicator() { return communicator_; }
  // The gradients that this rank keeps.
  Arena& gradients() { return gradients_->kept(); }

  // What its GradientSum keeps on this rank.
  int64_t kept_bytes() const { return sum_->kept_bytes(); }
  // Memory that buckets in flight take beside what is kept: an estimate, or the most so far if that
  // was more.
  int64_t transient_bytes() const;

  // Call before each backward, with the `sum` and `count` (scalars) of this rank's loss so far.
  // Begins a round unless `more` micro-batches follow that can be summed together with this one.
  void begin(const Tensor& sum, const Tensor& count, bool more = false);
  // The gradient of a parameter (its index) is complete.
  void complete(std::size_t parameter);
  // Call after each backward. Ends the round that begin() began, if any: every gradient is complete
  // or zero.
  void complete_all();
  // Waits until all gradients of the step are summed (on a GPU: for work enqueued on the current
  // stream from now on), and takes part in the rounds of ranks with more micro-batches. Returns sum
  // and count of the loss over all ranks: (2), float64, on the device of the gradients.
  const Tensor& finish();

 private:
  struct LossTotals {
    Tensor sum, count;
  };

  void plan_runs();
  void begin_round(bool more);
  void finish_round();
  bool has_more() const { return *ranks_with_more_.data<int64_t>() > 0; }
  void reduce(int piece);
  void reduce_totals();
  void reduce_bucket(std::size_t index);
  void release();
  void detach(std::size_t buckets);
  std::size_t awaited_of(const Bucket& bucket) const;

  Parameters parameters_;
  std::unique_ptr<Communicator> own_;
  Communicator& communicator_;
  std::unique_ptr<ReducedGradients> gradients_;
  std::unique_ptr<GradientSum> sum_;
  std::vector<Bucket> buckets_;
  std::vector<std::vector<Bucket>> runs_;  // (buckets) what is summed of each
  std::vector<bool> trains_;               // (parameters) as of the last plan_runs()
  std::vector<std::size_t> bucket_of_;     // (parameters)
  std::vector<std::size_t> awaited_;       // (buckets) gradients that are not complete yet
  std::size_t ready_ = 0;                  // buckets before this one are released
  std::size_t detached_ = 0;               // buckets before this one are detached
  bool active_ = false;                    // between begin() and complete_all() of a round
  int rounds_ = 0;                         // begun in this step
  LossTotals part_;                        // this rank's
  Tensor totals_;                          // (2) float64: the loss's sum and count
  Tensor ranks_with_more_;                 // (1) int64, on the host
  OrderedWorker worker_;                   // last: its thread uses all of these
};

}  // namespace ripieno::distributed
