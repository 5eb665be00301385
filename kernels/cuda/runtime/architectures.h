// Which GPUs this build has code for. Private to kernels/cuda.
#pragma once

#include <string>
#include <string_view>

namespace ripieno::kernels::cuda {

// Whether code for the architectures `built` runs on a GPU of compute capability `capability` (90
// for 9.0). `built` is CMake's list: "80-real 90-real 100-virtual". Machine code ("-real") runs on
// GPUs of the same major version with the same or a newer minor version; PTX ("-virtual", or no
// suffix) runs on all newer ones, since the driver compiles it.
bool runs_on(std::string_view built, int capability);

// The lowest architecture in `built`, as a compute capability: "8.0".
std::string lowest_capability(std::string_view built);

// The list of this build.
std::string_view built_architectures();

}  // namespace ripieno::kernels::cuda
