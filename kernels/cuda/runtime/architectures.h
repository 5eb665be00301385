// Which GPUs a build has code for. Private to kernels/cuda.
#pragma once

#include <string>
#include <string_view>

namespace ripieno::kernels::cuda {

// `built` is what CMake was given: "80-real 90-real 100-virtual". Machine code ("real") runs on
// GPUs of its own major version from its own minor version on, and code that the driver still
// compiles
// ("virtual", or neither word) on every newer one. `capability` is ten times the version: 90.
bool runs_on(std::string_view built, int capability);

// The lowest of `built`, as a version: "8.0".
std::string lowest_capability(std::string_view built);

// Of this build.
std::string_view built_architectures();

}  // namespace ripieno::kernels::cuda
