// Recording: the work that is enqueued on a stream becomes a CUDA graph instead of running, and can
// then be enqueued as a whole, any number of times.
//
// A graph keeps the launches as they were: kernels, sizes, addresses and values of arguments. In a
// build without CUDA (no_runtime.cpp) nothing can be recorded.
#pragma once

#include <cstdint>

struct CUstream_st;
struct CUgraphExec_st;

namespace ripieno::kernels::cuda {

// False with RIPIENO_SYNC=1, which waits for each operation.
bool can_record();

// Begins recording `stream`, and streams that wait for it. Until the recording ends, this thread
// must not wait for the device, allocate or free its memory, or copy from or to host memory: these
// calls throw CudaError, and so does end_recording().
void begin_recording(CUstream_st* stream);

struct Recording {
  CUgraphExec_st* graph = nullptr;
  int64_t operations = 0;  // kernels, copies and other work
};
// Ends the recording of this thread. Throws CudaError if the work cannot become a graph.
Recording end_recording(CUstream_st* stream);
// Ends the recording without a result.
void discard_recording(CUstream_st* stream) noexcept;
// Whether this thread is recording.
bool is_recording();

// Enqueues all work of a graph on `stream`.
void launch(CUgraphExec_st* graph, CUstream_st* stream);
// The graph must not be running.
void destroy_graph(CUgraphExec_st* graph) noexcept;

}  // namespace ripieno::kernels::cuda
