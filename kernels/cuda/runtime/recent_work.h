// What each stream was given last, for messages: what goes wrong in a kernel is told by a later
// call, which knows nothing of it. Private to kernels/cuda.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string>

#include "ripieno/kernels/execution.h"

namespace ripieno::kernels::cuda {

// Call after each piece of work was enqueued: notes it, and with RIPIENO_SYNC=1 in the environment
// waits for it, so that what goes wrong in it is thrown by the call that enqueued it. `what` lives
// as long as the process.
void enqueued(CUstream_st* stream, const char* what, std::initializer_list<int64_t> sizes);
// A kernel of ours; its sizes are its grid and its block.
void enqueued_kernel(CUstream_st* stream, const void* kernel, std::initializer_list<int64_t> sizes);

// "; given last: to the compute stream of cuda:0, softmax_kernel (4, 1, 1, 256, 1, 1), copy
// (4096)", the newest last, of all streams. Empty where nothing was given.
std::string recent_work();

void name_stream(CUstream_st* stream, const std::string& name);
std::string name_of_stream(CUstream_st* stream);

// Whether enqueued() waits. Starts as RIPIENO_SYNC says.
bool& waits_for_each();

}  // namespace ripieno::kernels::cuda
