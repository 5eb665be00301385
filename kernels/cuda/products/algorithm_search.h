// find_fastest(): measures several implementations of the same product on a GPU. Private to
// kernels/cuda.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "ripieno/kernels/cuda/products/product_library.h"

namespace ripieno::kernels::cuda {

struct Fastest {
  std::size_t index = 0;
  double seconds = 0.0;
};

// Runs each of `ways` once to warm up, and then several times in rotation, so that changes of the
// clock frequency affect all equally; ways that are far slower than the best are dropped after each
// turn. Of equally fast ones, the first wins. A way that throws CudaError is dropped, and `why` is
// the last such message. Returns nullopt if all were dropped.
std::optional<Fastest> find_fastest(Trial& trial, const std::vector<Work>& ways, std::string& why);

}  // namespace ripieno::kernels::cuda
