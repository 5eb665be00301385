// PowerSGD (Vogels et al., 2019, arXiv:1905.13727): sums gradients through factors of low rank, for
// links that are much slower than the computation.
//
// A gradient's matrix M, (rows, columns), crosses the network as P, (rows, rank), and Q, (columns,
// rank). With the Q of the step before: P = the sum of every rank's M Q, made orthonormal; Q = the
// sum of every rank's M^T P; the sum of the gradients is then taken to be P Q^T. What a rank's own
// share of that leaves out, M - P P^T M, is kept and added to its next gradient. Sums are linear in
// M, so ranks may count differently.
#pragma once

#include <cstdint>
#include <memory>

#include "ripieno/core/arena/parameters.h"
#include "ripieno/distributed/gradients/gradient_sum.h"

namespace ripieno::distributed {

// A parameter with several axes is a matrix of its first by all others; those that `rank` halves at
// least are compressed, all else is summed whole. The same bits on every rank. What is left out
// takes 4 bytes an element of the parameters and is kept on each rank: a run that is resumed begins
// without. The communicator outlives it.
std::unique_ptr<GradientSum> sum_by_power_sgd(const Parameters& parameters, int rank,
                                              Communicator& communicator);

// Of float32, that a step brings to all-reduces.
int64_t power_sgd_elements(const ArenaLayout& layout, int rank);

}  // namespace ripieno::distributed
