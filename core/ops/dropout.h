// Dropout (Srivastava et al., 2014), reproducible for any number of ranks.
#pragma once

#include "ripieno/core/tensor.h"
#include "ripieno/kernels/dropout.h"

namespace ripieno {

// Zeroes each element with `probability` and divides the others by 1 - probability. Axis 0 is the
// batch: the mask is a function of (seed, `stream`, step, index in the global batch), see random.h,
// so each dropout of a model needs a different `stream`. Returns x itself if `probability` is 0;
// throws Error if it is outside [0, 1).
Tensor dropout(const Tensor& x, double probability, uint64_t stream);

// The mask of one dropout in the current step, for operations that fuse dropout.
struct DrawnDropout {
  double probability = 0.0;
  Tensor key;  // undefined if the probability is 0
  int64_t offset = 0;

  kernels::DropoutMask mask() const;             // for kernels; valid while this object exists
  Tensor operator()(const Tensor& dense) const;  // applies the mask; not recorded
};
// The mask of dropout(x, probability, stream). Throws Error if `probability` is outside [0, 1).
DrawnDropout draw_dropout(const Tensor& x, double probability, uint64_t stream);

}  // namespace ripieno
