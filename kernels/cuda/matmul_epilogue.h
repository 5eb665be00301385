// Element-wise steps after a product that cuBLASLt does not fuse. Private to kernels/cuda.
#pragma once

#include "ripieno/kernels/matmul.h"

namespace ripieno::kernels::cuda {

// c = 0. The padding between its rows is not touched.
template <typename T>
void zero_product(OnCuda on, T* c, const MatmulShape& shape);

// c = activation(c + bias).   bias: (n) or null; before_activation: like c, written, or null.
template <typename T>
void add_bias_and_activate(OnCuda on, T* c, T* before_activation, const T* bias,
                           const MatmulShape& shape, Activation activation);

}  // namespace ripieno::kernels::cuda
