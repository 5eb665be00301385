// make_trial(): a product's operands as random numbers on the GPU, and a clock. Private to
// kernels/cuda.
#pragma once

#include <memory>

#include "ripieno/kernels/cuda/product_library.h"

namespace ripieno::kernels::cuda {

// Takes memory from the driver, and gives it back when it goes. Throws CudaError.
std::unique_ptr<Trial> make_trial(OnCuda on, const ProductProblem& problem);

}  // namespace ripieno::kernels::cuda
