#include "ripieno/kernels/cuda/launch.h"

#include <cstdlib>
#include <sstream>
#include <string>

#include "ripieno/kernels/cuda/check.h"

namespace ripieno::kernels::cuda {
namespace {

std::string to_string(dim3 size) {
  std::ostringstream text;
  text << '(' << size.x << ", " << size.y << ", " << size.z << ')';
  return text.str();
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
