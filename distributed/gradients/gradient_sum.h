// GradientSum: how a bucket of this rank's gradients becomes the sum of all ranks'.
//
// A way for each kind of traffic; the reducer calls it bucket by bucket, in the order of the plan
// on every rank, in its own thread.
#pragma once

#include <cstdint>
#include <memory>

#include "ripieno/core/tensor.h"
#include "ripieno/distributed/communicators/communicator.h"
#include "ripieno/distributed/gradients/buckets.h"

namespace ripieno::distributed {

class GradientSum {
 public:
  virtual ~GradientSum() = default;
  // Leaves the sum over all ranks in `gradients`, the range of `bucket`: (bucket elements), of the
  // parameters' element type. A collective.
  virtual void sum(const Bucket& bucket, const Tensor& gradients) = 0;
  // Whether it needs each bucket as it was laid out; else it is given the runs of a bucket that
  // train, as buckets of their own.
  virtual bool takes_whole_buckets() const { return false; }
  // What it keeps on this rank from step to step.
  virtual int64_t kept_bytes() const { return 0; }
};

// Every number, as it is. The communicator outlives it.
std::unique_ptr<GradientSum> sum_by_all_reduce(Communicator& communicator);

}  // namespace ripieno::distributed
