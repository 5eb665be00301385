#include "ripieno/core/stream.h"

#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "ripieno/core/error.h"
#include "ripieno/core/memory.h"
#include "ripieno/kernels/cuda/runtime.h"

namespace ripieno {

namespace cuda = kernels::cuda;

// Never destroyed: memory that was allocated in a stream's order may be freed at any time.
struct StreamState {
  explicit StreamState(Device on) : device(on), pool(system_memory(on)) {
    if (!device.is_cuda()) return;
    cuda::set_device(device.index);
    handle = cuda::create_stream();
    place = cuda::create_event(/*timed=*/false);
  }

  Device device;
  CUstream_st* handle = nullptr;
  CUevent_st* place = nullptr;  // for those who wait for all of it
  Pool pool;
};

namespace {

constexpr int kMostDevices = 64;

// Those that nobody uses at present.
class ParkedStreams {
 public:
  StreamState* take(Device device) {
    const std::lock_guard lock(mutex_);
    for (auto& state : parked_) {
      if (!(state->device == device)) continue;
      std::swap(state, parked_.back());
      StreamState* const found = parked_.back();
      parked_.pop_back();
      return found;
    }
    return new StreamState(device);
  }
  void put(StreamState* state) {
    const std::lock_guard lock(mutex_);
    parked_.push_back(state);
  }

 private:
  std::mutex mutex_;
  std::vector<StreamState*> parked_;
};

ParkedStreams& parked_streams() {
  static auto& streams = *new ParkedStreams;
  return streams;
}

std::size_t place_of(Device device) {
  if (!device.is_cuda()) return 0;
  if (device.index < 0 || device.index + 1 >= kMostDevices) {
    fail("device: " + to_string(device) + " is beyond the " + std::to_string(kMostDevices - 1) +
         " GPUs that a process may use");
  }
  return static_cast<std::size_t>(device.index) + 1;
}

thread_local std::array<const Stream*, kMostDevices> streams_of_thread{};

double now_ms() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double, std::milli>(now).count();
}

}  // namespace

// ---- Streams

Stream::Stream(Device device) : state_(parked_streams().take(device)) {}

Stream::~Stream() {
  if (state_) parked_streams().put(state_);
}

Stream::Stream(Stream&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}

Stream& Stream::operator=(Stream&& other) noexcept {
  std::swap(state_, other.state_);
  return *this;
}

Device Stream::device() const { return state_->device; }
CUstream_st* Stream::handle() const { return state_->handle; }

Pool& Stream::memory() const {
  return state_->device.is_cuda() ? state_->pool : pool(Device::cpu());
}

void Stream::wait(const Event& event) const {
  if (state_->handle && event.handle_) cuda::wait(state_->handle, event.handle_);
}

void Stream::wait(const Stream& other) const {
  if (state_ == other.state_ || !other.state_->handle) return;
  cuda::record(other.state_->place, other.state_->handle);
  if (state_->handle) {
    cuda::wait(state_->handle, other.state_->place);
  } else {
    cuda::synchronize(other.state_->place);
  }
}

void Stream::synchronize() const {
  if (state_->handle) cuda::synchronize(state_->handle);
}

const Stream& compute_stream(Device device) {
  static std::array<std::atomic<const Stream*>, kMostDevices> streams{};
  auto& stream = streams[place_of(device)];
  if (const Stream* found = stream.load(std::memory_order_acquire)) return *found;
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  if (!stream.load()) stream = new Stream(new StreamState(device));
  return *stream.load();
}

const Stream& current_stream(Device device) {
  if (device.is_cuda()) cuda::set_device(device.index);
  const Stream* const chosen = streams_of_thread[place_of(device)];
  return chosen ? *chosen : compute_stream(device);
}

OnStream::OnStream(const Stream& stream) : place_(place_of(stream.device())) {
  before_ = std::exchange(streams_of_thread[place_], &stream);
}

OnStream::~OnStream() { streams_of_thread[place_] = before_; }

// ---- Events

Event::Event(Device device, bool timed) : device_(device) {
  if (!device.is_cuda()) return;
  cuda::set_device(device.index);
  handle_ = cuda::create_event(timed);
}

Event::~Event() {
  if (handle_) cuda::destroy_event(handle_);
}

void Event::record(const Stream& stream) {
  if (!(stream.device() == device_)) {
    fail("event: of " + to_string(device_) + ", recorded on " + to_string(stream.device()));
  }
  if (handle_) {
    cuda::record(handle_, stream.handle());
  } else {
    recorded_ms_ = now_ms();
  }
}

bool Event::is_done() const { return !handle_ || cuda::is_done(handle_); }

void Event::synchronize() const {
  if (handle_) cuda::synchronize(handle_);
}

double Event::milliseconds_since(const Event& earlier) const {
  return handle_ ? cuda::milliseconds_between(earlier.handle_, handle_)
                 : recorded_ms_ - earlier.recorded_ms_;
}

}  // namespace ripieno
