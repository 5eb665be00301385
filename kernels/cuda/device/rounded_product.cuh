// Products that are rounded before they are used: never part of a fused multiply-add, which the
// compiler makes in one kernel and not in another. Private to kernels/cuda.
//
// Like launch.h this has a twin that the emulated build puts in its place.
#pragma once

#include <cuda_runtime.h>

namespace ripieno::kernels::cuda {

__device__ inline float rounded_product(float a, float b) { return __fmul_rn(a, b); }
__device__ inline double rounded_product(double a, double b) { return __dmul_rn(a, b); }

}  // namespace ripieno::kernels::cuda
