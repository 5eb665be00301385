// find_fastest(): tries ways to do the same on a GPU, and times them. Private to kernels/cuda.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "ripieno/kernels/cuda/products/product_library.h"

namespace ripieno::kernels::cuda {

using Work = std::function<void(OnCuda, const Operands&)>;

struct Fastest {
  std::size_t index = 0;
  double seconds = 0.0;
};

// Each way is tried once without counting, and then several times in turn, so that a clock that
// changes is fair to all; those far behind after the first turn are tried no more. Of equals the
// earlier. A way that throws CudaError is out, and its message in `why`; none is left where all do.
std::optional<Fastest> find_fastest(Trial& trial, const std::vector<Work>& ways, std::string& why);

}  // namespace ripieno::kernels::cuda
