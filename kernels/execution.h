// OnCpu and OnCuda, the backend a kernel runs on: the first argument of every kernel function.
//
// Each operation is declared once per backend; overload resolution picks the implementation. Using
// one that is declared but not built is a link error that names it.
#pragma once

#include <cstddef>

struct CUstream_st;  // cudaStream_t points to it; declared here so that callers need no CUDA header

namespace ripieno::kernels {

// Runs on the calling thread and its team (cpu_threads.h); done when the call returns.
struct OnCpu {};

// Enqueues on `stream` of the current device and returns without waiting.
struct OnCuda {
  CUstream_st* stream = nullptr;
};

}  // namespace ripieno::kernels
