// Stream: a queue of work that a device executes in order. Event: a point in a stream.
//
// Each device has a compute stream, which operations use by default, and any number of others, for
// example for copies and communication. Streams wait for each other only where wait() is called. On
// the CPU, work is done before a call returns: both types exist, and there is nothing to wait for.
// Thread-safe.
//
// Functions that take a GPU throw ConfigurationError if it cannot be used.
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
  // A new stream. When it is destroyed, its driver object is kept for the next Stream of the
  // device.
  explicit Stream(Device device);
  ~Stream();
  Stream(Stream&& other) noexcept;
  Stream& operator=(Stream&& other) noexcept;

  Device device() const;
  CUstream_st* handle() const;  // null on the CPU
  // The pool whose blocks are reused in the order of this stream (memory.h).
  Pool& memory() const;
  // The state behind the handle. It is never freed, because memory may be freed at any time.
  StreamState& state() const { return *state_; }

  // Makes work that is enqueued on this stream from now on wait for `event`, as last recorded. Does
  // not block the host.
  void wait(const Event& event) const;
  // The same for all work that is enqueued on `other` so far.
  void wait(const Stream& other) const;
  // Blocks until all enqueued work is done. Throws the error of work that failed.
  void synchronize() const;

 private:
  friend const Stream& compute_stream(Device device);
  explicit Stream(StreamState* state) : state_(state) {}

  StreamState* state_;
};

// stream.wait(other) for code that must not throw: an error is reported by the next call instead.
void wait(StreamState& stream, StreamState& other) noexcept;

class Event {
 public:
  // `timed`: records times, for milliseconds_since().
  explicit Event(Device device, bool timed = false);
  ~Event();
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  // Records the event after all work that is enqueued on `stream` so far. Throws Error if the
  // stream belongs to another device.
  void record(const Stream& stream);
  // Whether that work is done; true if it was never recorded.
  bool is_done() const;
  void synchronize() const;
  // Both events must be timed, recorded and done.
  double milliseconds_since(const Event& earlier) const;

 private:
  friend class Stream;

  Device device_;
  CUevent_st* handle_ = nullptr;
  double recorded_ms_ = 0;  // on the CPU
};

// The stream that operations on `device` use unless an OnStream is active. It lives as long as the
// process.
const Stream& compute_stream(Device device);

// The stream that this thread's operations on `device` use. Also makes a GPU the thread's current
// CUDA device.
const Stream& current_stream(Device device);

// Makes `stream` the current stream of its device in this thread while it exists. Guards must be
// destroyed in reverse order, by the same thread; `stream` must outlive the guard.
class OnStream {
 public:
  explicit OnStream(const Stream& stream);
  ~OnStream();
  OnStream(const OnStream&) = delete;
  OnStream& operator=(const OnStream&) = delete;

 private:
  const Stream* before_;
  std::size_t index_;
};

// Memory from the system or the driver, without a pool.
MemoryResource& system_memory(Device device);

// The CPU's pool, or the pool of a GPU's current stream. Enqueued work of that stream, but of no
// other, may still use a free block, so a block must be reused in that stream's order. It lives as
// long as the process.
Pool& pool(Device device);

// Statistics summed over all pools of a device; a GPU has one per stream.
PoolStatistics pool_statistics(Device device);
// Returns the unused blocks of all pools of a device to the driver, which waits for the device.
void trim_pools(Device device);

}  // namespace ripieno
