// Keeps the last operations that were enqueued on each stream, for error messages: an error in a
// kernel is reported by a later call that has nothing to do with it. Private to kernels/cuda.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string>

#include "ripieno/kernels/execution.h"

namespace ripieno::kernels::cuda {

// To be called after each operation is enqueued. Records it. With RIPIENO_SYNC=1 in the environment
// it also waits for the operation, so that an error in it is thrown by the call that enqueued it.
// `what` must be valid as long as the process runs.
void record_operation(CUstream_st* stream, const char* what, std::initializer_list<int64_t> sizes);
// The same for a kernel of the project; `sizes` are its grid and block.
void record_kernel(CUstream_st* stream, const void* kernel, std::initializer_list<int64_t> sizes);

// The last operations of all streams, the newest last: "; last enqueued: on the compute stream of
// cuda:0: softmax_kernel (4, 1, 1, 256, 1, 1), copy (4096)". Empty if there are none.
std::string recent_work();

void name_stream(CUstream_st* stream, const std::string& name);
std::string name_of_stream(CUstream_st* stream);

// Whether record_operation() waits. Initialized from RIPIENO_SYNC; may be changed.
bool& synchronizes_each_operation();

}  // namespace ripieno::kernels::cuda
