// Dropout (Srivastava et al., 2014), its mask a pure function of a key: nothing is kept for the
// backward.
#pragma once

#include <cstdint>

#include "ripieno/kernels/execution.h"
#include "ripieno/kernels/philox.h"

namespace ripieno::kernels {

// Which elements of a tensor are dropped, and what the others are divided by.
struct DropoutMask {
  double probability = 0.0;        // of being dropped, 0 to 1
  const RandomKey* key = nullptr;  // read where the kernel runs, so that a captured step draws anew
  int64_t offset = 0;              // the first element's index in the global batch
};

// out[i] = kept(offset + i) ? in[i] / (1 - probability) : 0. The gradient is the same function of
// grad_out. out may alias in.
template <typename T>
void dropout(OnCpu, T* out, const T* in, int64_t size, const DropoutMask& mask);
template <typename T>
void dropout(OnCuda, T* out, const T* in, int64_t size, const DropoutMask& mask);

}  // namespace ripieno::kernels
