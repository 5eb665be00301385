// Dropout (Srivastava et al., 2014), its mask a pure function of a key: nothing is kept for the
// backward.
#pragma once

#include <cstdint>

#include "ripieno/kernels/execution.h"
#include "ripieno/kernels/philox.h"

namespace ripieno::kernels {

// out[i] = kept(offset + i) ? in[i] / (1 - probability) : 0. The gradient is the same function of
// grad_out. `offset`: the first element's index in the global batch. `key`: read where the kernel
// runs (device memory on a GPU), so that a captured step draws new numbers. out may alias in.
template <typename T>
void dropout(OnCpu, T* out, const T* in, int64_t size, double probability, const RandomKey* key,
             int64_t offset);
template <typename T>
void dropout(OnCuda, T* out, const T* in, int64_t size, double probability, const RandomKey* key,
             int64_t offset);

}  // namespace ripieno::kernels
