// Shards: which elements of the parameters a rank owns where optimizer state is spread over ranks
// (ZeRO: Rajbhandari et al., 2020, arXiv 1910.02054), and how buckets travel then.
//
// Each bucket is cut into size() parts of the same length, the last ones shorter or empty where it
// does not divide; rank r owns the r-th. So a tensor, which lies in one bucket, meets a rank's
// shard in one run.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "ripieno/core/arena/arena.h"
#include "ripieno/core/tensor.h"
#include "ripieno/distributed/communicators/communicator.h"
#include "ripieno/distributed/gradients/buckets.h"
#include "ripieno/distributed/gradients/gradient_sum.h"

namespace ripieno::distributed {

// What rank `rank` of `size` owns of a bucket, in elements of the arena.
ElementRange owned_by(const Bucket& bucket, int rank, int size);
// Of each bucket.
std::vector<ElementRange> owned_by(const std::vector<Bucket>& buckets, int rank, int size);

// The same by whole tensors, for optimizers that need them: those that begin in one of size() parts
// of the bucket, in a turn that differs from bucket to bucket.
ElementRange tensors_owned_by(const Bucket& bucket, const ArenaLayout& layout, int rank, int size);
std::vector<ElementRange> tensors_owned_by(const std::vector<Bucket>& buckets,
                                           const ArenaLayout& layout, int rank, int size);

// A GradientSum that leaves the sum only in what each rank owns of the bucket: half the traffic.
// The same bits there as sum_by_all_reduce. The communicator outlives it.
std::unique_ptr<GradientSum> sum_by_reduce_scatter(Communicator& communicator);

// Copies what each rank owns of `values`, the range of `bucket`, to the other ranks. A collective.
void gather_shards(Communicator& communicator, const Bucket& bucket, const Tensor& values);
// The same where ranks own whole tensors.
void gather_tensors(Communicator& communicator, const Bucket& bucket, const ArenaLayout& layout,
                    const Tensor& values);

}  // namespace ripieno::distributed
