// Where a kernel runs: the first argument of every kernel function.
//
// Each operation is declared once per place; overload resolution picks the implementation. What is
// declared for a place but not built for it is a link error that names it.
#pragma once

#include <cstddef>

struct CUstream_st;  // cudaStream_t, named here so that callers need no CUDA header

namespace ripieno::kernels {

// Runs before the call returns, on the calling thread and its team (cpu_threads.h).
struct OnCpu {};

// Enqueues on `stream` of the current device and returns at once.
struct OnCuda {
  CUstream_st* stream = nullptr;
};

}  // namespace ripieno::kernels
