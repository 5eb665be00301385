#include "ripieno/kernels/emulator/streams.h"

#include <chrono>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "ripieno/kernels/emulator/device_memory.h"

namespace ripieno::simt {
namespace {

// Like a GPU's queue, the queue has a limit; enqueueing more runs the oldest work.
constexpr std::size_t kMaxQueueLength = 1024;

double now_ms() {
  return std::chrono::duration<double, std::milli>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace

std::unique_lock<std::mutex> gpu_lock() {
  static std::mutex& mutex = *new std::mutex;
  return std::unique_lock(mutex);
}

Streams::Streams() {
  const char* setting = std::getenv("RIPIENO_EMULATED_STREAMS");
  is_eager = setting && std::string_view(setting) == "eager";
}

Streams& Streams::instance() {
  static Streams& streams = *new Streams;  // never destroyed: work may be left at exit
  return streams;
}

CUstream_st* Streams::create(int device) {
  streams_.push_back(std::make_unique<CUstream_st>());
  streams_.back()->device = device;
  return streams_.back().get();
}

void Streams::enqueue(CUstream_st* stream, std::function<void()> work) {
  const Graph::Work always = [work = std::move(work)] {
    work();
    return true;
  };
  enqueue_waiting(stream, [always] { return always; });
}

void Streams::enqueue_waiting(CUstream_st* stream, const Graph::Launch& launch) {
  if (stream == nullptr) {
    const DeviceAccess access;
    launch()();
  } else if (stream->graph) {
    stream->graph->add(stream, launch);
  } else {
    push(stream, launch());
  }
}

void Streams::push(CUstream_st* stream, Graph::Work work) {
  stream->queue.push_back(std::move(work));
  ++stream->enqueued;
  if (is_eager) {
    run_all(stream);
  } else if (stream->queue.size() > kMaxQueueLength) {
    run_until(stream, stream->done + 1);
  }
}

void Streams::record(CUevent_st& event, CUstream_st* stream) {
  if (stream == nullptr) {
    event.stream = nullptr;
    event.capture = 0;
    event.reached_ms = now_ms();
    return;
  }
  event.stream = stream;
  event.capture = stream->capture;
  if (stream->graph) {
    event.position = stream->graph->position(stream);
    return;
  }
  event.position = stream->enqueued + 1;
  enqueue(stream, [&event] {
    if (event.is_timed) event.reached_ms = now_ms();
  });
}

void Streams::wait(CUstream_st* stream, const CUevent_st& event) {
  if (event.stream == nullptr || event.stream == stream) return;
  push(stream, [this, other = event.stream, position = event.position] {
    return run_until(other, position);
  });
}

bool Streams::is_reached(const CUevent_st& event) const {
  return event.stream == nullptr || event.stream->done >= event.position;
}

bool Streams::run_until(const CUevent_st& event) {
  return event.stream == nullptr || run_until(event.stream, event.position);
}

bool Streams::run_all(CUstream_st* stream) {
  return stream == nullptr || run_until(stream, stream->enqueued);
}

bool Streams::run_all(int device) {
  bool all = true;
  for (const auto& stream : streams_) {
    if (stream->device == device) all = run_all(stream.get()) && all;
  }
  return all;
}

bool Streams::run_until(CUstream_st* stream, uint64_t position) {
  if (stream->done >= position) return true;
  if (stream->is_running) return false;  // it waits for itself, by way of other streams
  const DeviceAccess access;
  stream->is_running = true;
  while (stream->done < position && stream->queue.front()()) {
    stream->queue.pop_front();
    ++stream->done;
  }
  stream->is_running = false;
  return stream->done >= position;
}

}  // namespace ripieno::simt
