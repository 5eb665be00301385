// make_trial(): random operands of a product on the GPU, and a timer. Private to kernels/cuda.
#pragma once

#include <cstddef>
#include <memory>

#include "ripieno/kernels/cuda/products/product_library.h"

namespace ripieno::kernels::cuda {

// Twice the largest L2 cache of GPUs so far.
inline constexpr std::size_t kBytesToFlush = std::size_t{256} << 20;

// Allocates memory with cudaMalloc, and frees it when the trial is destroyed. Before each
// measurement, bytes_to_flush bytes are written to flush the operands from the caches. Throws
// CudaError.
std::unique_ptr<Trial> make_trial(OnCuda on, const ProductProblem& problem,
                                  std::size_t bytes_to_flush = kBytesToFlush);

}  // namespace ripieno::kernels::cuda
