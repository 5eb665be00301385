// Capture: records the work of streams of the emulated GPU as a graph, as cudaStreamBeginCapture()
// does. All functions must be called with gpu_lock() held (streams.h).
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <thread>
#include <vector>

#include "cuda_runtime_api.h"
#include "ripieno/kernels/emulator/captured_graph.h"
#include "ripieno/kernels/emulator/streams.h"

namespace ripieno::simt {

// A capture that has not ended.
struct Capture {
  uint64_t number = 0;  // from 1
  CUstream_st* origin = nullptr;
  std::thread::id thread;  // which began it, and must not make calls that wait or allocate
  bool is_invalid = false;
  std::vector<CUstream_st*> streams;
  std::shared_ptr<Graph> graph = std::make_shared<Graph>();
};

// Marks the capture as failed, and returns `error`.
cudaError_t invalidate(Capture& capture, cudaError_t error);
// Whether work can be enqueued on the stream; null: the null stream.
cudaError_t capture_status(const CUstream_st* stream);
// Whether the host may use an event, which it may not if it was recorded in a capture.
cudaError_t event_status(const CUevent_st& event);
// Whether this thread may call a function now: while it captures it must neither wait for the
// device nor change its memory.
cudaError_t status_in_capture(std::string_view name);

// All captures that have not ended.
class Captures {
 public:
  static Captures& instance();

  void begin(CUstream_st* stream);
  // The work of the capture; null if it is invalid.
  std::shared_ptr<Graph> end(CUstream_st* stream);
  // That of the calling thread; null if there is none.
  Capture* of_this_thread() const;
  // That which records the work of `stream`; null if there is none, and for the null stream.
  Capture* of(const CUstream_st* stream) const { return stream ? find(stream->capture) : nullptr; }
  // By its number; null if it has ended.
  Capture* find(uint64_t number) const;
  // Adds a stream that waits for an event of the capture.
  void join(Capture& capture, CUstream_st* stream);

 private:
  uint64_t begun_ = 0;
  std::vector<std::unique_ptr<Capture>> running_;
};

// Whether the stream captures, or the event was recorded in a capture; and cudaStreamWaitEvent()
// then.
bool concerns_capture(const CUstream_st* stream, const CUevent_st& event);
cudaError_t wait_in_capture(CUstream_st* stream, const CUevent_st& event);

}  // namespace ripieno::simt
