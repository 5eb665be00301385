// Dropout (Srivastava et al., 2014). The mask is a pure function of a key, so it is not saved for
// the backward.
#pragma once

#include <cstdint>

#include "ripieno/kernels/execution.h"
#include "ripieno/kernels/philox.h"

namespace ripieno::kernels {

// Determines which elements of a tensor are dropped; the others are divided by (1 - probability).
struct DropoutMask {
  double probability = 0.0;        // that an element is dropped, 0 to 1
  const RandomKey* key = nullptr;  // in the kernel's memory: a replayed step reads the current key
  int64_t offset = 0;              // index of the first element in the global batch
};

// out[i] = kept(offset + i) ? in[i] / (1 - probability) : 0. The same function of grad_out gives
// the gradient. out may alias in.
template <typename T>
void dropout(OnCpu, T* out, const T* in, int64_t size, const DropoutMask& mask);
template <typename T>
void dropout(OnCuda, T* out, const T* in, int64_t size, const DropoutMask& mask);

}  // namespace ripieno::kernels
