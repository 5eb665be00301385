// PowerSGD (Vogels et al., 2019, arXiv:1905.13727): sums low-rank factors of gradients instead of
// gradients, for links that are much slower than the computation.
//
// A gradient matrix M, (rows, columns), is communicated as P, (rows, rank), and Q, (columns, rank).
// With Q of the previous step: P = sum over ranks of M Q, made orthonormal; Q = sum over ranks of
// M^T P; the summed gradient is then P Q^T. Error feedback: what this approximation omits of a
// rank's own gradient, M - P P^T M, is kept and added to its next gradient. Sums are linear in M,
// so the ranks' losses may have different counts.
#pragma once

#include <cstdint>
#include <memory>

#include "ripieno/core/arena/parameters.h"
#include "ripieno/distributed/gradients/gradient_sum.h"

namespace ripieno::distributed {

// A GradientSum by PowerSGD of rank `rank`. A parameter with several axes is a matrix of its first
// axis by all others. Matrices whose factors have at most half of their elements are compressed,
// other parameters are summed whole. The result is bitwise the same on every rank. The error
// feedback takes 4 bytes per parameter on each rank; it is not saved, so a resumed run starts with
// zeros. The communicator must outlive it. Throws ConfigurationError if rank is less than 1.
std::unique_ptr<GradientSum> sum_by_power_sgd(const Parameters& parameters, int rank,
                                              Communicator& communicator);

// The number of float32 elements that one step passes to all_reduce.
int64_t power_sgd_elements(const ArenaLayout& layout, int rank);

}  // namespace ripieno::distributed
