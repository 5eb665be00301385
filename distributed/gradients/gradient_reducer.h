// GradientReducer: sums gradients over the ranks, bucket by bucket, while backward computes them.
//
// Buckets are reduced in the order of buckets() on every rank, whatever the order in which
// gradients complete. The reducer decides when a bucket is summed, GradientSum how, and
// ReducedGradients in which memory. A round reduces every bucket once; a step has one round, or one
// per micro-batch.
//
// Except for the internal thread, one thread uses it.
#pragma once

#include <functional>
#include <memory>
#include <string>
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

  // Mode::in_thread reduces in a background thread over a duplicate of `communicator`;
  // Mode::in_finish within finish() over `communicator` itself. make_sum and make_gradients are
  // called with the one that is used. `communicator` must outlive this. A collective.
  GradientReducer(const Parameters& parameters, Communicator& communicator,
                  std::size_t bucket_bytes, OrderedWorker::Mode mode,
                  const MakeSum& make_sum = sum_by_all_reduce,
                  const MakeGradients& make_gradients = whole_gradients);

  // The buckets of the whole arena, including frozen parameters, in the order of reduction.
  const std::vector<Bucket>& buckets() const { return buckets_; }
  // Whether a bucket has trainable parameters; the number of buckets that have.
  bool trains(std::size_t bucket) const { return !runs_[bucket].empty(); }
  std::size_t trained_buckets() const;
  // The communicator that it reduces over; free for other use between finish() and begin().
  Communicator& communicator() { return communicator_; }
  // The summed gradients that this rank keeps: all of them or its shard.
  Arena& gradients() { return gradients_->kept(); }

  // Bytes that the GradientSum keeps on this rank between steps.
  int64_t kept_bytes() const { return sum_->kept_bytes(); }
  // Bytes that buckets in flight take in addition: an estimate, or the maximum so far if larger.
  int64_t transient_bytes() const;

  // Call before each backward. sum, count: scalars, this rank's loss of the step so far. Begins a
  // round, unless `more` micro-batches follow and gradients are summed once per step.
  void begin(const Tensor& sum, const Tensor& count, bool more = false);
  // Call when the gradient of parameter number `parameter` is complete.
  void complete(std::size_t parameter);
  // Call after each backward. Gradients that it did not reach are taken to be zero, and all buckets
  // of the round are released for summation.
  void complete_all();
  // Waits until all gradients of the step are summed (on a GPU: makes later work of the current
  // stream wait), taking part in the rounds of ranks with more micro-batches. Returns sum and count
  // of the loss over all ranks: (2) float64, on the device of the gradients. Throws
  // CommunicationFailure that names the gradients. Every rank calls it once per step.
  const Tensor& finish();

  // Why the work of a step cannot be recorded (core/device/device_graph.h); empty if it can.
  std::string obstacle_to_recording() const;
  // Forgets a step that failed while it was recorded.
  void abandon();

 private:
  struct LossTotals {
    Tensor sum, count;
  };

  void find_trainable_runs();
  void begin_round(bool more);
  void finish_round();
  bool has_more() const { return *ranks_with_more_.data<int64_t>() > 0; }
  void reduce(int task);
  void reduce_totals();
  void reduce_bucket(std::size_t index);
  void release();
  void detach(std::size_t buckets);
  std::size_t awaited_of(const Bucket& bucket) const;

  Parameters parameters_;
  std::unique_ptr<Communicator> duplicate_;  // null with Mode::in_finish
  Communicator& communicator_;
  std::unique_ptr<ReducedGradients> gradients_;
  std::unique_ptr<GradientSum> sum_;
  std::vector<Bucket> buckets_;
  std::vector<std::vector<Bucket>> runs_;  // (buckets) ranges of each that are summed
  std::vector<bool> trains_;               // (parameters) as of the last find_trainable_runs()
  std::vector<std::size_t> bucket_of_;     // (parameters)
  std::vector<std::size_t> awaited_;       // (buckets) gradients that are not complete yet
  std::size_t ready_ = 0;                  // buckets before this one are released
  std::size_t detached_ = 0;               // buckets before this one are detached
  bool active_ = false;                    // between begin() and complete_all() of a round
  int rounds_ = 0;                         // begun in this step
  LossTotals loss_;                        // this rank's loss of the step so far
  Tensor totals_;                          // (2) float64: sum and count of the loss, all ranks
  Tensor ranks_with_more_;                 // (1) int64, on the host
  OrderedWorker worker_;                   // last member: its thread uses those above
};

}  // namespace ripieno::distributed
