// make_trial(): a product's operands as random numbers on the GPU, and a clock. Private to
// kernels/cuda.
#pragma once

#include <cstddef>
#include <memory>

#include "ripieno/kernels/cuda/products/product_library.h"

namespace ripieno::kernels::cuda {

// Twice the largest second-level cache of a GPU so far.
inline constexpr std::size_t kBytesToFlush = std::size_t{256} << 20;

// Takes memory from the driver, and gives it back when it goes. Before each try, so many bytes are
// written to drive the operands out of the caches. Throws CudaError.
std::unique_ptr<Trial> make_trial(OnCuda on, const ProductProblem& problem,
                                  std::size_t bytes_to_flush = kBytesToFlush);

}  // namespace ripieno::kernels::cuda
