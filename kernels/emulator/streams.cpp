#include "ripieno/kernels/emulator/streams.h"

#include <chrono>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "ripieno/kernels/emulator/device_memory.h"

namespace ripieno::simt {
namespace {

// A GPU's queue is as long; who enqueues more waits.
constexpr std::size_t kLongestQueue = 1024;

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
  static Streams& streams = *new Streams;  // work may be left at exit
  return streams;
}

CUstream_st* Streams::create(int device) {
  streams_.push_back(std::make_unique<CUstream_st>());
  streams_.back()->device = device;
  return streams_.back().get();
}

void Streams::enqueue(CUstream_st* stream, std::function<void()> work) {
  if (stream == nullptr) {
    const DeviceAccess access;
    return work();
  }
  stream->queue.push_back(std::move(work));
  ++stream->given;
  if (is_eager) return run_all(stream);
  if (stream->queue.size() > kLongestQueue) run_until(stream, stream->done + 1);
}

void Streams::record(CUevent_st& event, CUstream_st* stream) {
  if (stream == nullptr) {
    event.stream = nullptr;
    event.reached_ms = now_ms();
    return;
  }
  event.stream = stream;
  event.place = stream->given + 1;
  enqueue(stream, [&event] {
    if (event.is_timed) event.reached_ms = now_ms();
  });
}

void Streams::wait(CUstream_st* stream, const CUevent_st& event) {
  if (event.stream == nullptr || event.stream == stream) return;
  enqueue(stream, [this, other = event.stream, place = event.place] { run_until(other, place); });
}

bool Streams::is_reached(const CUevent_st& event) const {
  return event.stream == nullptr || event.stream->done >= event.place;
}

void Streams::run_until(const CUevent_st& event) {
  if (event.stream) run_until(event.stream, event.place);
}

void Streams::run_all(CUstream_st* stream) {
  if (stream) run_until(stream, stream->given);
}

void Streams::run_all() {
  for (const auto& stream : streams_) run_all(stream.get());
}

void Streams::run_until(CUstream_st* stream, uint64_t place) {
  if (stream->done >= place) return;
  const DeviceAccess access;
  while (stream->done < place) {
    const auto work = std::move(stream->queue.front());
    stream->queue.pop_front();
    ++stream->done;
    work();
  }
}

}  // namespace ripieno::simt
