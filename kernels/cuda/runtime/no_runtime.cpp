// The functions of runtime.h and recording.h in a build without CUDA.
#include "ripieno/kernels/cuda/runtime/recording.h"
#include "ripieno/kernels/cuda/runtime/runtime.h"

namespace ripieno::kernels::cuda {
namespace {

[[noreturn]] void throw_no_cuda(const char* call) {
  throw CudaError(std::string(call) + ": this build has no CUDA; configure with -DRIPIENO_CUDA=ON");
}

}  // namespace

int device_count() { return 0; }
std::string describe() { return "built without CUDA"; }
std::string describe_unusable() { return ""; }
MemoryInfo memory_info() { throw_no_cuda("memory_info"); }
void set_device(int) { throw_no_cuda("set_device"); }
void* allocate(std::size_t) { throw_no_cuda("allocate"); }
void deallocate(void*) noexcept {}
void copy(void*, const void*, std::size_t, CUstream_st*) { throw_no_cuda("copy"); }
void zero(void*, std::size_t, CUstream_st*) { throw_no_cuda("zero"); }
void synchronize(CUstream_st*) { throw_no_cuda("synchronize"); }
void* allocate_pinned(std::size_t) { throw_no_cuda("allocate_pinned"); }
void deallocate_pinned(void*) noexcept {}
CUstream_st* create_stream(const std::string&) { throw_no_cuda("create_stream"); }
void destroy_stream(CUstream_st*) noexcept {}
CUevent_st* create_event(bool) { throw_no_cuda("create_event"); }
void destroy_event(CUevent_st*) noexcept {}
void record(CUevent_st*, CUstream_st*) { throw_no_cuda("record"); }
void wait(CUstream_st*, CUevent_st*) { throw_no_cuda("wait"); }
bool is_done(CUevent_st*) { throw_no_cuda("is_done"); }
void synchronize(CUevent_st*) { throw_no_cuda("synchronize"); }
double milliseconds_between(CUevent_st*, CUevent_st*) { throw_no_cuda("milliseconds_between"); }

bool can_record() { return false; }
void begin_recording(CUstream_st*) { throw_no_cuda("begin_recording"); }
Recording end_recording(CUstream_st*) { throw_no_cuda("end_recording"); }
void discard_recording(CUstream_st*) noexcept {}
bool is_recording() { return false; }
void launch(CUgraphExec_st*, CUstream_st*) { throw_no_cuda("launch"); }
void destroy_graph(CUgraphExec_st*) noexcept {}

}  // namespace ripieno::kernels::cuda
