// Products: the matrix products of a device, by its library, each with an algorithm that was chosen
// once. Private to kernels/cuda.
#pragma once

#include <functional>

#include "ripieno/kernels/cuda/product_library.h"

namespace ripieno::kernels::cuda {

// Does with kernels of our own what the epilogue asks for, to a product that lies in the operands'
// result.
using Finish = std::function<void(OnCuda, const Operands&)>;

// Computes `problem`, whose alignments are filled in here, on the current device: in one call of
// the library, or where that has no algorithm for the epilogue, or a slower one, the product and
// then `finish`. No size is 0. Any thread may call. Throws CudaError.
void multiply(OnCuda on, ProductProblem problem, const Operands& operands,
              const Finish& finish = {});

}  // namespace ripieno::kernels::cuda
