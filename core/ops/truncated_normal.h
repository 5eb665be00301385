// Truncated normal numbers for the initialization of weights, none of which is an outlier.
#pragma once

#include "ripieno/core/random.h"
#include "ripieno/core/tensor.h"

namespace ripieno {

// Fills a dense floating-point tensor in place with numbers of the normal distribution of mean 0
// and `deviation`, restricted to +-`bound` deviations; not recorded. Element i depends on (key, i)
// only: the inverse of the distribution function, computed on the host in float64 by one thread, of
// a uniform number. Throws Error for other element types and for a bound that is not above 0.
void fill_truncated_normal(const Tensor& x, double deviation, double bound,
                           const kernels::RandomKey& key);

// The number below which a share `p`, in [0, 1], of the standard normal distribution lies.
double normal_quantile(double p);

}  // namespace ripieno
