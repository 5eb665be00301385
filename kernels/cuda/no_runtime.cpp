// What stands in for the CUDA runtime in a build without CUDA.
#include "ripieno/kernels/cuda/runtime.h"

namespace ripieno::kernels::cuda {
namespace {

[[noreturn]] void refuse(const char* call) {
  throw CudaError(std::string(call) + ": this build has no CUDA; configure with -DRIPIENO_CUDA=ON");
}

}  // namespace

int device_count() { return 0; }
std::string describe() { return "built without CUDA"; }
void set_device(int) { refuse("set_device"); }
void* allocate(std::size_t) { refuse("allocate"); }
void deallocate(void*) noexcept {}
void copy(void*, const void*, std::size_t, CUstream_st*) { refuse("copy"); }
void zero(void*, std::size_t, CUstream_st*) { refuse("zero"); }
void synchronize(CUstream_st*) { refuse("synchronize"); }

}  // namespace ripieno::kernels::cuda
