// How many parameters a model may have at most. Not installed.
#pragma once

namespace ripieno::nn {

// More than any memory holds; their bytes, and sums of them, are still counted in 64 bits.
inline constexpr double kMostParameters = 0x1p59;

}  // namespace ripieno::nn
