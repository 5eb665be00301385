#include "ripieno/kernels/cuda/launch.h"

#include <string>

#include "ripieno/kernels/cuda/check.h"

namespace ripieno::kernels::cuda {
namespace {

std::string to_string(dim3 size) {
  return "(" + std::to_string(size.x) + ", " + std::to_string(size.y) + ", " +
         std::to_string(size.z) + ")";
}

std::string name_of(const void* kernel) {
  const char* name = nullptr;
  return cudaFuncGetName(&name, kernel) == cudaSuccess && name ? name : "a kernel";
}

}  // namespace

void throw_launch_failure(cudaError_t status, const void* kernel, const LaunchShape& shape) {
  check(status, "launch of " + name_of(kernel) + ", grid " + to_string(shape.grid) + ", block " +
                    to_string(shape.block));
  std::abort();  // not reached: status is a failure
}

}  // namespace ripieno::kernels::cuda
