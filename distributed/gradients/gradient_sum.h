// GradientSum: sums one bucket of gradients over the ranks; one implementation per wire format.
//
// GradientReducer calls it bucket by bucket, in the same order on every rank, from one thread,
// which may be its background thread.
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
  // Replaces `gradients`, the range of `bucket`, by the sum over all ranks: (bucket elements), of
  // the parameters' element type. A collective.
  virtual void sum(const Bucket& bucket, const Tensor& gradients) = 0;
  // Whether sum() is called with whole buckets; else it is called for each trainable range of a
  // bucket (runs_of).
  virtual bool takes_whole_buckets() const { return false; }
  // Whether a DeviceGraph can record sum(): it does nothing on the host but call collectives, and
  // frees no memory of the device afterwards.
  virtual bool can_be_recorded() const { return false; }
  // Bytes that it keeps on this rank between steps.
  virtual int64_t kept_bytes() const { return 0; }
};

// Sums with all_reduce in the gradients' own element type. The communicator must outlive it.
std::unique_ptr<GradientSum> sum_by_all_reduce(Communicator& communicator);

}  // namespace ripieno::distributed
