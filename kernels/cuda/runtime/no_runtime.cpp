// What stands in for the CUDA runtime in a build without CUDA.
#include "ripieno/kernels/cuda/runtime/runtime.h"

namespace ripieno::kernels::cuda {
namespace {

[[noreturn]] void refuse(const char* call) {
  throw CudaError(std::string(call) + ": this build has no CUDA; configure with -DRIPIENO_CUDA=ON");
}

}  // namespace

int device_count() { return 0; }
std::string describe() { return "built without CUDA"; }
std::string what_is_unusable() { return ""; }
MemoryInfo memory_info() { refuse("memory_info"); }
void set_device(int) { refuse("set_device"); }
void* allocate(std::size_t) { refuse("allocate"); }
void deallocate(void*) noexcept {}
void copy(void*, const void*, std::size_t, CUstream_st*) { refuse("copy"); }
void zero(void*, std::size_t, CUstream_st*) { refuse("zero"); }
void synchronize(CUstream_st*) { refuse("synchronize"); }
void* allocate_pinned(std::size_t) { refuse("allocate_pinned"); }
void deallocate_pinned(void*) noexcept {}
CUstream_st* create_stream(const std::string&) { refuse("create_stream"); }
void destroy_stream(CUstream_st*) noexcept {}
CUevent_st* create_event(bool) { refuse("create_event"); }
void destroy_event(CUevent_st*) noexcept {}
void record(CUevent_st*, CUstream_st*) { refuse("record"); }
void wait(CUstream_st*, CUevent_st*) { refuse("wait"); }
bool is_done(CUevent_st*) { refuse("is_done"); }
void synchronize(CUevent_st*) { refuse("synchronize"); }
double milliseconds_between(CUevent_st*, CUevent_st*) { refuse("milliseconds_between"); }

}  // namespace ripieno::kernels::cuda
