// Searches parameters, optimizer state and data for values that are infinite or NaN.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "ripieno/core/arena/parameters.h"
#include "ripieno/core/optim/optimizer.h"
#include "ripieno/core/tensor.h"

namespace ripieno {

// The name of the first parameter with a value that is not finite; empty if there is none. Reads
// all values; those on a GPU are copied to the host in chunks.
std::string first_not_finite(const Parameters& parameters);
// The same for the optimizer state of this rank: "first_moment/blocks.0.norm.weight".
std::string first_not_finite(optim::Optimizer& optimizer);

// The first row of a CPU tensor (rows, …) with a value that is not finite; empty if there is none
// or if the elements are integers.
std::optional<int64_t> first_row_not_finite(const Tensor& rows);

}  // namespace ripieno
