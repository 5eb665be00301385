// Products that are rounded before they are used. The compiler must not fuse them into
// multiply-adds, which it would do in some kernels and not in others. Private to kernels/cuda.
//
// Like launch.h, it is replaced by a header of the same name in emulated builds.
#pragma once

#include <cuda_runtime.h>

namespace ripieno::kernels::cuda {

__device__ inline float rounded_product(float a, float b) { return __fmul_rn(a, b); }
__device__ inline double rounded_product(double a, double b) { return __dmul_rn(a, b); }

}  // namespace ripieno::kernels::cuda
