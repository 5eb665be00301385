// Stream: an order in which a device does what it is given. Event: a place in such an order.
//
// Each device has a compute stream, which operations run on, and any number of others for copies
// and communication beside it. Streams wait for each other only where they are told to. On the CPU,
// where work is done before a call returns, both exist and there is nothing to wait for. Any thread
// may use them.
#pragma once

#include <cstddef>

#include "ripieno/core/device/device.h"
#include "ripieno/core/device/memory.h"

struct CUstream_st;
struct CUevent_st;

namespace ripieno {

class Event;
struct StreamState;

class Stream {
 public:
  // One that nobody else uses. Its driver object is kept for the next Stream of the device.
  explicit Stream(Device device);
  ~Stream();
  Stream(Stream&& other) noexcept;
  Stream& operator=(Stream&& other) noexcept;

  Device device() const;
  CUstream_st* handle() const;  // null on the CPU
  // Blocks that are reused in this stream's order (memory.h).
  Pool& memory() const;
  // What outlives the handle, for memory that is freed at any time.
  StreamState& state() const { return *state_; }

  // What is enqueued from now on begins once `event`, as it was last recorded, was reached.
  void wait(const Event& event) const;
  // The same for all that `other` was given until now.
  void wait(const Stream& other) const;
  // Returns once all that was enqueued is done; throws what went wrong in it.
  void synchronize() const;

 private:
  friend const Stream& compute_stream(Device device);
  explicit Stream(StreamState* state) : state_(state) {}

  StreamState* state_;
};

// stream.wait(other), where it may not throw: an error shows at the next call.
void wait(StreamState& stream, StreamState& other) noexcept;

class Event {
 public:
  // Only a timed event has a time.
  explicit Event(Device device, bool timed = false);
  ~Event();
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  // Moves it to after all that `stream`, of the same device, was given until now.
  void record(const Stream& stream);
  // True also where it was never recorded.
  bool is_done() const;
  void synchronize() const;
  // Both timed, recorded and done.
  double milliseconds_since(const Event& earlier) const;

 private:
  friend class Stream;

  Device device_;
  CUevent_st* handle_ = nullptr;
  double recorded_ms_ = 0;  // on the CPU
};

// The stream that operations on a device run on, unless an OnStream says otherwise. It lives as
// long as the process.
const Stream& compute_stream(Device device);

// The stream that this thread's operations on `device` go to; makes that device the thread's own.
const Stream& current_stream(Device device);

// Sends what this thread does on stream.device() to `stream`, for as long as it lives. Guards end
// in reverse order.
class OnStream {
 public:
  explicit OnStream(const Stream& stream);
  ~OnStream();
  OnStream(const OnStream&) = delete;
  OnStream& operator=(const OnStream&) = delete;

 private:
  const Stream* before_;
  std::size_t place_;
};

// Memory straight from the system or the driver, without a pool.
MemoryResource& system_memory(Device device);

// The CPU's pool, or that of the current stream of a GPU: a free block of it may still be in use by
// work that was enqueued on that stream before, and by no other. It lives as long as the process.
Pool& pool(Device device);

// Of all pools of a device: a GPU has one per stream.
PoolStatistics pool_statistics(Device device);
// Gives unused blocks back to the driver, once the device has done its work.
void trim_pools(Device device);

}  // namespace ripieno
