#include "ripieno/kernels/cuda/runtime/recording.h"

#include <cuda_runtime_api.h>

#include <memory>
#include <type_traits>

#include "ripieno/kernels/cuda/runtime/check.h"
#include "ripieno/kernels/cuda/runtime/recent_work.h"

namespace ripieno::kernels::cuda {
namespace {

thread_local bool recording = false;

struct DestroyGraph {
  void operator()(cudaGraph_t graph) const {
    if (cudaGraphDestroy(graph) != cudaSuccess) cudaGetLastError();
  }
};
using OwnedGraph = std::unique_ptr<std::remove_pointer_t<cudaGraph_t>, DestroyGraph>;

}  // namespace

bool can_record() { return !synchronizes_each_operation(); }

// Calls of other threads, such as a copy of the next batch, do not concern the recording.
void begin_recording(CUstream_st* stream) {
  check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "cudaStreamBeginCapture");
  recording = true;
}

Recording end_recording(CUstream_st* stream) {
  recording = false;
  cudaGraph_t raw = nullptr;
  check(cudaStreamEndCapture(stream, &raw), "cudaStreamEndCapture");
  const OwnedGraph graph(raw);
  std::size_t operations = 0;
  check(cudaGraphGetNodes(raw, nullptr, &operations), "cudaGraphGetNodes");
  Recording result{.graph = nullptr, .operations = static_cast<int64_t>(operations)};
  check(cudaGraphInstantiate(&result.graph, raw, 0), "cudaGraphInstantiate");
  return result;
}

void discard_recording(CUstream_st* stream) noexcept {
  recording = false;
  cudaGraph_t graph = nullptr;
  if (cudaStreamEndCapture(stream, &graph) != cudaSuccess) cudaGetLastError();
  if (graph) DestroyGraph()(graph);
}

bool is_recording() { return recording; }

void launch(CUgraphExec_st* graph, CUstream_st* stream) {
  check(cudaGraphLaunch(graph, stream), "cudaGraphLaunch on " + name_of_stream(stream));
  record_operation(stream, "recorded step", {});
}

void destroy_graph(CUgraphExec_st* graph) noexcept {
  if (cudaGraphExecDestroy(graph) != cudaSuccess) cudaGetLastError();
}

}  // namespace ripieno::kernels::cuda
