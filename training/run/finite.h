// Whether numbers are finite: neither infinite nor NaN.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "ripieno/core/arena/parameters.h"
#include "ripieno/core/optim/optimizer.h"
#include "ripieno/core/tensor.h"

namespace ripieno {

// The name of the first parameter that has a value which is not; empty where there is none. Reads
// them all; what is on a GPU is copied to the host in parts.
std::string first_not_finite(const Parameters& parameters);
// The same of what this rank has of an optimizer's state: "first_moment/blocks.0.norm.weight".
std::string first_not_finite(optim::Optimizer& optimizer);

// The first row of a tensor on the CPU (rows, …) that has such a value; nothing where there is
// none, or the tensor is of integers.
std::optional<int64_t> first_row_not_finite(const Tensor& rows);

}  // namespace ripieno
