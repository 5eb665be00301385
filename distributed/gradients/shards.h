// Shards: which elements of the parameters a rank owns when optimizer state is sharded (ZeRO:
// Rajbhandari et al., 2020, arXiv:1910.02054), and the collectives of sharded buckets.
//
// Each bucket is cut into size() ranges of equal length, of which the last ones may be shorter or
// empty; rank r owns the r-th. A tensor is in one bucket, so a rank owns one contiguous range of
// it.
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

// The range of a bucket that rank `rank` of `size` owns, in elements of the arena.
ElementRange owned_by(const Bucket& bucket, int rank, int size);
// The range of each bucket: (buckets).
std::vector<ElementRange> owned_by(const std::vector<Bucket>& buckets, int rank, int size);

// As owned_by(), but in whole tensors, for optimizers that need them: those that begin in one of
// the size() ranges of the bucket. Which of them a rank owns varies with the bucket, to balance
// load.
ElementRange tensors_owned_by(const Bucket& bucket, const ArenaLayout& layout, int rank, int size);
std::vector<ElementRange> tensors_owned_by(const std::vector<Bucket>& buckets,
                                           const ArenaLayout& layout, int rank, int size);

// A GradientSum that writes the sum only to the range that each rank owns (owned_by): half the
// traffic of sum_by_all_reduce, with bitwise the same result there. The communicator must outlive
// it.
std::unique_ptr<GradientSum> sum_by_reduce_scatter(Communicator& communicator);

// Copies each rank's owned range of `values` (owned_by) to the other ranks. values: the range of
// `bucket`. A collective.
void gather_shards(Communicator& communicator, const Bucket& bucket, const Tensor& values);
// The same for ranges of whole tensors (tensors_owned_by).
void gather_tensors(Communicator& communicator, const Bucket& bucket, const ArenaLayout& layout,
                    const Tensor& values);

}  // namespace ripieno::distributed
