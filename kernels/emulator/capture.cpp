#include "ripieno/kernels/emulator/capture.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace ripieno::simt {

cudaError_t invalidate(Capture& capture, cudaError_t error) {
  capture.is_invalid = true;
  return error;
}

cudaError_t capture_status(const CUstream_st* stream) {
  const Capture* const capture = Captures::instance().of(stream);
  return capture && capture->is_invalid ? cudaErrorStreamCaptureInvalidated : cudaSuccess;
}

cudaError_t event_status(const CUevent_st& event) {
  if (event.capture == 0) return cudaSuccess;
  Capture* const capture = Captures::instance().find(event.capture);
  return capture ? invalidate(*capture, cudaErrorCapturedEvent) : cudaErrorCapturedEvent;
}

cudaError_t status_in_capture(std::string_view name) {
  constexpr std::string_view kCalls[] = {
      "cudaMalloc",           "cudaFree",          "cudaHostAlloc",
      "cudaFreeHost",         "cudaEventQuery",    "cudaDeviceSynchronize",
      "cudaEventSynchronize", "cudaStreamDestroy", "cudaStreamSynchronize"};
  Capture* const capture = Captures::instance().of_this_thread();
  if (!capture || std::find(std::begin(kCalls), std::end(kCalls), name) == std::end(kCalls))
    return cudaSuccess;
  return invalidate(*capture, cudaErrorStreamCaptureUnsupported);
}

Captures& Captures::instance() {
  static Captures& captures = *new Captures;
  return captures;
}

void Captures::begin(CUstream_st* stream) {
  auto capture = std::make_unique<Capture>();
  capture->number = ++begun_;
  capture->origin = stream;
  capture->thread = std::this_thread::get_id();
  join(*capture, stream);
  running_.push_back(std::move(capture));
}

void Captures::join(Capture& capture, CUstream_st* stream) {
  stream->capture = capture.number;
  stream->graph = capture.graph;
  capture.streams.push_back(stream);
  capture.graph->position(stream);  // adds its line: that of the origin is the first
}

std::shared_ptr<Graph> Captures::end(CUstream_st* stream) {
  Capture* const ended = of(stream);
  for (CUstream_st* each : ended->streams) {
    each->capture = 0;
    each->graph = nullptr;
  }
  const auto graph = ended->is_invalid ? nullptr : ended->graph;
  std::erase_if(running_, [&](const auto& capture) { return capture.get() == ended; });
  return graph;
}

Capture* Captures::of_this_thread() const {
  for (const auto& capture : running_) {
    if (capture->thread == std::this_thread::get_id()) return capture.get();
  }
  return nullptr;
}

Capture* Captures::find(uint64_t number) const {
  for (const auto& capture : running_) {
    if (capture->number == number) return capture.get();
  }
  return nullptr;
}

bool concerns_capture(const CUstream_st* stream, const CUevent_st& event) {
  return event.capture != 0 || (stream && stream->capture != 0);
}

cudaError_t wait_in_capture(CUstream_st* stream, const CUevent_st& event) {
  Captures& captures = Captures::instance();
  Capture* const capture = captures.find(event.capture);
  if (event.capture != 0 && !capture) return cudaErrorCapturedEvent;
  if (capture && !captures.of(stream)) captures.join(*capture, stream);
  Capture* const own = captures.of(stream);
  if (own == capture) {
    own->graph->wait(stream, event.stream, event.position);
  } else if (event.stream) {
    return invalidate(*own, cudaErrorStreamCaptureIsolation);
  }
  return capture_status(stream);
}

}  // namespace ripieno::simt
