#include "ripieno/kernels/cuda/runtime/launch.h"

#include <cstdlib>
#include <sstream>
#include <string>

#include "ripieno/kernels/cuda/runtime/check.h"
#include "ripieno/kernels/cuda/runtime/recent_work.h"

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

std::size_t shared_bytes_of_multiprocessor() {
  int device = 0, bytes = 0;
  check(cudaGetDevice(&device), "cudaGetDevice");
  check(cudaDeviceGetAttribute(&bytes, cudaDevAttrMaxSharedMemoryPerMultiprocessor, device),
        "cudaDeviceGetAttribute");
  return static_cast<std::size_t>(bytes);
}

void allow_shared_bytes(const void* kernel, const LaunchShape& shape) {
  const cudaError_t status = cudaFuncSetAttribute(
      kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shape.shared_bytes));
  if (status != cudaSuccess) throw_launch_failure(status, kernel, shape);
}

void record_launch(const void* kernel, const LaunchShape& shape) {
  record_kernel(
      shape.stream, kernel,
      {shape.grid.x, shape.grid.y, shape.grid.z, shape.block.x, shape.block.y, shape.block.z});
}

void throw_launch_failure(cudaError_t status, const void* kernel, const LaunchShape& shape) {
  check(status, "launch of " + name_of(kernel) + ", grid " + to_string(shape.grid) + ", block " +
                    to_string(shape.block) + ", on " + name_of_stream(shape.stream));
  std::abort();  // not reached: status is a failure
}

}  // namespace ripieno::kernels::cuda
