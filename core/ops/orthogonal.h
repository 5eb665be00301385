// Orthogonal matrices, as a start for weights: they keep the length of what they are multiplied
// with, so that signals and gradients neither vanish nor explode in deep and recurrent networks.
#pragma once

#include "ripieno/core/random.h"
#include "ripieno/core/tensor.h"

namespace ripieno {

// In place, dense, not recorded. As a matrix of its first axis by all others, x gets orthonormal
// rows if it has fewer rows than columns, and orthonormal columns otherwise, times `gain`: q of the
// QR factorization of normal numbers, uniformly distributed since r's diagonal is positive (Saxe et
// al., 2013, arXiv 1312.6120; Mezzadri, 2007, arXiv math-ph/0609050).
//
// The numbers depend on the key and the shape alone; they are computed on the host, on one thread,
// in float64. Throws Error for fewer than two axes, and for a type that is not floating point.
void fill_orthogonal(const Tensor& x, double gain, const kernels::RandomKey& key);

}  // namespace ripieno
