// What computes on a GPU, and why: the line that programs print at startup, and its warnings.
#pragma once

#include <string>
#include <vector>

#include "ripieno/core/dtype.h"

namespace ripieno {

struct GpuReport {
  std::string line;                   // libraries of matrix products and attention
  std::vector<std::string> warnings;  // what runs on a slower fallback, why, and the remedy
};

// With the current numerics(). `precision`: the element type of the parameters.
GpuReport gpu_report(DType precision);

}  // namespace ripieno
