// Orthogonal initialization of weights: an orthogonal matrix preserves the norm of its input, so
// signals and gradients neither vanish nor explode in deep and recurrent networks.
#pragma once

#include "ripieno/core/random.h"
#include "ripieno/core/tensor.h"

namespace ripieno {

// Fills x in place with `gain` times a random orthogonal matrix; not recorded. x, dense, is treated
// as a matrix of its first axis by all others: it gets orthonormal rows if it has fewer rows than
// columns, and orthonormal columns otherwise.
//
// The matrix is q of the QR factorization of normal random numbers. It is uniformly distributed
// because r has a positive diagonal (Saxe et al., 2013, arXiv 1312.6120; Mezzadri, 2007, arXiv
// math-ph/0609050). The result depends only on the key and the shape; it is computed on the host in
// float64 by one thread. Throws Error for fewer than two axes, and for element types that are not
// floating point.
void fill_orthogonal(const Tensor& x, double gain, const kernels::RandomKey& key);

}  // namespace ripieno
