#include "ripieno/core/device/stream.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "ripieno/core/device/device_memory.h"
#include "ripieno/core/error.h"
#include "ripieno/kernels/cuda/runtime/runtime.h"

namespace ripieno {

namespace cuda = kernels::cuda;
namespace {

// Sets the CUDA device of the calling thread. Throws ConfigurationError if there is no such GPU.
void set_device(Device device) {
  try {
    cuda::set_device(device.index);
  } catch (const cuda::CudaError&) {
    if (0 <= device.index && device.index < cuda::device_count()) throw;
    throw ConfigurationError(to_string(device) + " cannot be used: " + cuda::describe() +
                             "; use Device::cpu(), or the device of a Session");
  }
}

}  // namespace

// Never destroyed: memory that was allocated on a stream may be freed at any time.
struct StreamState {
  StreamState(Device on, const std::string& name) : device(on), pool(system_memory(on)) {
    if (!device.is_cuda()) return;
    set_device(device);
    handle = cuda::create_stream(name);
    end = cuda::create_event(/*timed=*/false);
  }

  Device device;
  CUstream_st* handle = nullptr;
  CUevent_st* end = nullptr;  // recorded for streams that wait for all work so far
  Pool pool;
};

namespace {

constexpr int kMaxDevices = 64;

// All streams of the process. The state of a destroyed Stream is parked, and reused for the next
// one.
class StreamRegistry {
 public:
  StreamState* make(Device device, const std::string& name) {
    const std::lock_guard lock(mutex_);
    all_.push_back(new StreamState(device, name + " of " + to_string(device)));
    return all_.back();
  }
  StreamState* take(Device device) {
    if (StreamState* const parked = unpark(device)) return parked;
    return make(device, "stream " + std::to_string(++made_));
  }
  void park(StreamState* state) {
    const std::lock_guard lock(mutex_);
    parked_.push_back(state);
  }

  template <typename Body>
  void for_each(Device device, Body body) {
    const std::lock_guard lock(mutex_);
    for (StreamState* state : all_) {
      if (state->device == device) body(*state);
    }
  }

 private:
  StreamState* unpark(Device device) {
    const std::lock_guard lock(mutex_);
    const auto found = std::find_if(parked_.begin(), parked_.end(),
                                    [&](const auto* state) { return state->device == device; });
    if (found == parked_.end()) return nullptr;
    StreamState* const state = *found;
    parked_.erase(found);
    return state;
  }

  std::mutex mutex_;
  std::vector<StreamState*> all_, parked_;
  std::atomic<int> made_ = 0;
};

StreamRegistry& registry() {
  static auto& streams = *new StreamRegistry;
  return streams;
}

std::size_t index_of(Device device) {
  if (!device.is_cuda()) return 0;
  if (device.index < 0 || device.index + 1 >= kMaxDevices) {
    fail("device: " + to_string(device) + " is out of range; a process can use at most " +
         std::to_string(kMaxDevices - 1) + " GPUs");
  }
  return static_cast<std::size_t>(device.index) + 1;
}

void wait_for(StreamState& stream, StreamState& other) {
  if (&stream == &other || !other.handle) return;
  cuda::record(other.end, other.handle);
  if (stream.handle) {
    cuda::wait(stream.handle, other.end);
  } else {
    cuda::synchronize(other.end);
  }
}

thread_local std::array<const Stream*, kMaxDevices> streams_of_thread{};

double now_ms() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double, std::milli>(now).count();
}

}  // namespace

// ---- Streams

Stream::Stream(Device device) : state_(registry().take(device)) {}

Stream::~Stream() {
  if (state_) registry().park(state_);
}

Stream::Stream(Stream&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}

Stream& Stream::operator=(Stream&& other) noexcept {
  std::swap(state_, other.state_);
  return *this;
}

Device Stream::device() const { return state_->device; }
CUstream_st* Stream::handle() const { return state_->handle; }

Pool& Stream::memory() const { return state_->device.is_cuda() ? state_->pool : cpu_pool(); }

void Stream::wait(const Event& event) const {
  if (state_->handle && event.handle_) cuda::wait(state_->handle, event.handle_);
}

void Stream::wait(const Stream& other) const { wait_for(*state_, *other.state_); }

void wait(StreamState& stream, StreamState& other) noexcept {
  try {
    wait_for(stream, other);
  } catch (const cuda::CudaError&) {
  }
}

void Stream::synchronize() const {
  if (state_->handle) cuda::synchronize(state_->handle);
}

const Stream& compute_stream(Device device) {
  static std::array<std::atomic<const Stream*>, kMaxDevices> streams{};
  auto& stream = streams[index_of(device)];
  if (const Stream* found = stream.load(std::memory_order_acquire)) return *found;
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  if (!stream.load()) stream = new Stream(registry().make(device, "the compute stream"));
  return *stream.load();
}

const Stream& current_stream(Device device) {
  if (device.is_cuda()) set_device(device);
  const Stream* const chosen = streams_of_thread[index_of(device)];
  return chosen ? *chosen : compute_stream(device);
}

OnStream::OnStream(const Stream& stream) : index_(index_of(stream.device())) {
  before_ = std::exchange(streams_of_thread[index_], &stream);
}

OnStream::~OnStream() { streams_of_thread[index_] = before_; }

// ---- Pools of streams

PoolStatistics pool_statistics(Device device) {
  if (!device.is_cuda()) return pool(device).statistics();
  PoolStatistics sum;
  registry().for_each(device, [&](StreamState& state) {
    const PoolStatistics one = state.pool.statistics();
    sum.bytes_in_use += one.bytes_in_use;
    sum.bytes_held += one.bytes_held;
    sum.upstream_allocations += one.upstream_allocations;
  });
  return sum;
}

void trim_pools(Device device) {
  if (!device.is_cuda()) return pool(device).trim();
  registry().for_each(device, [](StreamState& state) { state.pool.trim(); });
}

Pool& pool(Device device) {
  return device.is_cuda() ? current_stream(device).memory() : cpu_pool();
}

namespace {

class SystemCudaMemory final : public MemoryResource {
 public:
  explicit SystemCudaMemory(int device) : device_(device) {}
  void* allocate(std::size_t bytes) override {
    cuda::set_device(device_);
    try {
      return cuda::allocate(bytes);
    } catch (const cuda::OutOfMemory&) {
      trim_pools(Device::cuda(device_));
    }
    try {
      return cuda::allocate(bytes);
    } catch (const cuda::OutOfMemory&) {
      const Device device = Device::cuda(device_);
      throw OutOfMemory(fmt::format("{} is out of memory; tried to allocate {:.2f} GiB: {}",
                                    to_string(device),
                                    static_cast<double>(bytes) / (int64_t{1} << 30),
                                    describe_memory(device, pool_statistics(device))));
    }
  }
  void deallocate(void* memory, std::size_t) noexcept override {
    cuda::set_device(device_);  // cannot fail: it succeeded when the memory was allocated
    cuda::deallocate(memory);
  }

 private:
  int device_;
};

}  // namespace

MemoryResource& system_memory(Device device) {
  if (!device.is_cuda()) return cpu_memory();
  static std::mutex mutex;
  static std::map<int, SystemCudaMemory> resources;
  const std::lock_guard lock(mutex);
  return resources.try_emplace(device.index, device.index).first->second;
}

// ---- Events

Event::Event(Device device, bool timed) : device_(device) {
  if (!device.is_cuda()) return;
  set_device(device);
  handle_ = cuda::create_event(timed);
}

Event::~Event() {
  if (handle_) cuda::destroy_event(handle_);
}

void Event::record(const Stream& stream) {
  if (!(stream.device() == device_)) {
    fail("event: the event is on " + to_string(device_) + ", the stream on " +
         to_string(stream.device()) + "; they must match");
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
