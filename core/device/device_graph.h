// DeviceGraph: work that was recorded on a GPU as one CUDA graph, and can be enqueued again as a
// whole, which costs the host one launch.
//
// Each replay runs the same kernels with the same arguments on the same addresses. Values that
// change must be read from device memory, which is written between replays; the memory of the
// recorded tensors must stay allocated, also of those that existed only during the recording: see
// StepGraph (training/step_graph.h), which takes care of both for training steps.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "ripieno/core/device/stream.h"
#include "ripieno/core/error.h"

struct CUgraphExec_st;

namespace ripieno {

// Work cannot be recorded: it reads a value on the host, waits for the device or allocates memory.
struct CannotRecord : Error {
  using Error::Error;
};

// Why no work can be recorded in this process; empty if it can.
std::string obstacle_to_recording();
// Whether this thread is recording: its work does not run now.
bool is_recording();
// Throws CannotRecord if this thread is recording: `what` uses a value on the host, which would be
// the same in each replay.
void require_not_recording(std::string_view what);

class DeviceGraph {
 public:
  // Records what this thread's `enqueue` enqueues on `stream`, as its current stream; none of it
  // runs. Throws CannotRecord if that is impossible, and what `enqueue` throws.
  DeviceGraph(const Stream& stream, const std::function<void()>& enqueue);
  // Waits until the last replay is done.
  ~DeviceGraph();
  DeviceGraph(const DeviceGraph&) = delete;
  DeviceGraph& operator=(const DeviceGraph&) = delete;

  // Enqueues the recorded work on the current stream of the device.
  void replay();
  // Number of kernels, copies and other operations.
  int64_t operations() const { return operations_; }

 private:
  Device device_;
  CUgraphExec_st* graph_ = nullptr;
  int64_t operations_ = 0;
  Event replayed_;
};

}  // namespace ripieno
