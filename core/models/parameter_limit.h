// The maximum number of parameters of a model. Not installed.
#pragma once

namespace ripieno::nn {

// More than any memory holds, but small enough that sums of their bytes fit 64 bits.
inline constexpr double kMaxParameters = 0x1p59;

}  // namespace ripieno::nn
