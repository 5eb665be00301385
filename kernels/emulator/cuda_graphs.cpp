// The functions of CUDA's runtime API that capture and launch graphs, for the emulated GPU.
#include <thread>

#include "cuda_runtime_api.h"
#include "ripieno/kernels/emulator/capture.h"
#include "ripieno/kernels/emulator/enqueue.h"
#include "ripieno/kernels/emulator/streams.h"

using namespace ripieno::simt;

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  return locked_call("cudaStreamBeginCapture", [&] {
    if (stream == nullptr || stream->graph) return cudaErrorStreamCaptureUnsupported;
    Captures::instance().begin(stream);
    return cudaSuccess;
  });
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  return locked_call("cudaStreamEndCapture", [&] {
    const Capture* const capture = Captures::instance().of(stream);
    if (!capture || capture->origin != stream) return cudaErrorStreamCaptureUnmatched;
    if (capture->thread != std::this_thread::get_id()) return cudaErrorStreamCaptureWrongThread;
    const auto work = Captures::instance().end(stream);
    *graph = nullptr;
    if (!work) return cudaErrorStreamCaptureInvalidated;
    if (!work->is_joined()) return cudaErrorStreamCaptureUnjoined;
    *graph = new CUgraph_st{work};
    return cudaSuccess;
  });
}

cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t*, std::size_t* count) {
  *count = graph->graph->operations();
  return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph,
                                 unsigned long long) {
  return locked_call("cudaGraphInstantiate", [&] {
    *executable = new CUgraphExec_st{graph->graph};
    return cudaSuccess;
  });
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  return locked_call("cudaGraphLaunch", [&] {
    if (Capture* const capture = Captures::instance().of(stream))
      return invalidate(*capture, cudaErrorStreamCaptureUnsupported);
    Streams::instance().enqueue_waiting(stream, [&] { return Graph::launch(executable->graph); });
    return cudaSuccess;
  });
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  delete executable;
  return cudaSuccess;
}
