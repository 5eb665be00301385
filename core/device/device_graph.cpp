#include "ripieno/core/device/device_graph.h"

#include <utility>

#include "ripieno/kernels/cuda/runtime/recording.h"
#include "ripieno/kernels/cuda/runtime/runtime.h"

namespace ripieno {

namespace cuda = kernels::cuda;
namespace {

// Ends a recording that was left by an exception.
class OpenRecording {
 public:
  explicit OpenRecording(const Stream& stream) : stream_(stream.handle()) {
    cuda::begin_recording(stream_);
  }
  ~OpenRecording() {
    if (stream_) cuda::discard_recording(stream_);
  }
  OpenRecording(const OpenRecording&) = delete;
  OpenRecording& operator=(const OpenRecording&) = delete;

  cuda::Recording end() { return cuda::end_recording(std::exchange(stream_, nullptr)); }

 private:
  CUstream_st* stream_;
};

}  // namespace

std::string obstacle_to_recording() {
  if (!cuda::can_record()) return "RIPIENO_SYNC=1 waits for each operation";
  if (!Pool::reuses_blocks()) return "RIPIENO_POOL=off allocates memory in each step";
  return "";
}

bool is_recording() { return cuda::is_recording(); }

void require_not_recording(std::string_view what) {
  if (!is_recording()) return;
  throw CannotRecord(std::string(what) + " uses a value on the host, which would not change");
}

DeviceGraph::DeviceGraph(const Stream& stream, const std::function<void()>& enqueue)
    : device_(stream.device()), replayed_(stream.device()) {
  try {
    const OnStream on(stream);
    OpenRecording recording(stream);
    enqueue();
    const auto [graph, operations] = recording.end();
    graph_ = graph;
    operations_ = operations;
  } catch (const cuda::CudaError& error) {
    throw CannotRecord(error.what());
  }
}

// A device that failed was reported where it was used.
DeviceGraph::~DeviceGraph() {
  try {
    replayed_.synchronize();
  } catch (const cuda::CudaError&) {
  }
  cuda::destroy_graph(graph_);
}

void DeviceGraph::replay() {
  const Stream& stream = current_stream(device_);
  cuda::launch(graph_, stream.handle());
  replayed_.record(stream);
}

}  // namespace ripieno
