#include "ripieno/kernels/emulator/capture.h"

#include <algorithm>
#include <utility>

#include "ripieno/kernels/emulator/streams.h"

namespace ripieno::simt {

std::size_t Graph::index_of(const CUstream_st* stream) {
  const auto found = std::find_if(lines_.begin(), lines_.end(),
                                  [&](const Line& line) { return line.stream == stream; });
  const auto index = static_cast<std::size_t>(found - lines_.begin());
  if (found == lines_.end()) lines_.push_back({stream, {}});
  return index;
}

void Graph::add(const CUstream_st* stream, std::function<void()> work) {
  line(stream).work.push_back({.work = std::move(work)});
}

void Graph::wait(const CUstream_st* stream, const CUstream_st* other, std::size_t position) {
  const std::size_t index = index_of(other);
  line(stream).work.push_back({.work = {}, .other = index, .position = position});
}

// Visits the work of a line up to `position`, and before each wait that of the other line.
template <typename Visit>
void Graph::visit(std::vector<std::size_t>& done, std::size_t index, std::size_t position,
                  const Visit& visit_work) const {
  while (done[index] < position) {
    const Operation& next = lines_[index].work[done[index]++];
    if (next.work) {
      visit_work(next.work);
    } else {
      visit(done, next.other, next.position, visit_work);
    }
  }
}

bool Graph::is_joined() const {
  if (lines_.empty()) return true;
  std::vector<std::size_t> reached(lines_.size());
  visit(reached, 0, lines_[0].work.size(), [](const auto&) {});
  for (std::size_t i = 0; i < lines_.size(); ++i) {
    if (reached[i] < lines_[i].work.size()) return false;
  }
  return true;
}

std::size_t Graph::operations() const {
  std::size_t count = 0;
  for (const Line& line : lines_) {
    count += static_cast<std::size_t>(std::count_if(
        line.work.begin(), line.work.end(), [](const auto& each) { return bool(each.work); }));
  }
  return count;
}

void Graph::run() const {
  if (lines_.empty()) return;
  std::vector<std::size_t> done(lines_.size());
  visit(done, 0, lines_[0].work.size(), [](const auto& work) { work(); });
}

cudaError_t invalidate(Capture& capture, cudaError_t error) {
  capture.is_invalid = true;
  return error;
}

cudaError_t capture_status(const CUstream_st* stream) {
  const bool is_invalid = stream && stream->capture && stream->capture->is_invalid;
  return is_invalid ? cudaErrorStreamCaptureInvalidated : cudaSuccess;
}

cudaError_t event_status(const CUevent_st& event) {
  if (event.capture == 0) return cudaSuccess;
  Capture* const capture = Captures::instance().find(event.capture);
  return capture ? invalidate(*capture, cudaErrorCapturedEvent) : cudaErrorCapturedEvent;
}

bool is_prohibited_in_capture(std::string_view name) {
  constexpr std::string_view kCalls[] = {
      "cudaMalloc",           "cudaFree",          "cudaHostAlloc",
      "cudaFreeHost",         "cudaEventQuery",    "cudaDeviceSynchronize",
      "cudaEventSynchronize", "cudaStreamDestroy", "cudaStreamSynchronize"};
  return std::find(std::begin(kCalls), std::end(kCalls), name) != std::end(kCalls);
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
  stream->capture = &capture;
  capture.streams.push_back(stream);
  capture.graph->position(stream);  // adds its line: that of the origin is the first
}

std::shared_ptr<Graph> Captures::end(CUstream_st* stream) {
  Capture* const ended = stream->capture;
  for (CUstream_st* each : ended->streams) each->capture = nullptr;
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

}  // namespace ripieno::simt
