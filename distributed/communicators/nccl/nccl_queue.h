// NcclQueue: the collectives that a rank has enqueued on its GPU through NCCL, and the thread that
// enforces their timeouts, since the host does not wait for them.
//
// All groups of the GPU share one stream, so their collectives run in the order in which they were
// enqueued, one at a time: NCCL can deadlock if collectives of two groups share a GPU.
//
// A collective that fails or does not end leaves the GPU's streams waiting for it forever. Every
// later collective then throws; and as the host may be waiting for the GPU as well, where nothing
// can be thrown, the thread ends the process by throwing CommunicationFailure, like any uncaught
// exception (training/program.h): kSecondsToNotice after the failure, or kSecondsToEnd if a
// collective has thrown it to the caller.
#pragma once

#include <nccl.h>

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "ripieno/core/device/stream.h"
#include "ripieno/distributed/communicators/collective.h"

namespace ripieno::distributed {

class NcclQueue {
 public:
  static constexpr std::chrono::seconds kSecondsToNotice{5}, kSecondsToEnd{60};

  // A collective and the group that it belongs to.
  struct Entry {
    Collective collective;
    ncclComm_t group = nullptr;
    int rank = 0, size = 0;
    std::chrono::seconds timeout{0};  // from when everything before it on the GPU is done
  };

  // The queue of a GPU, which only one rank uses. Lives until the process ends.
  static NcclQueue& on(Device device);
  NcclQueue(const NcclQueue&) = delete;
  NcclQueue& operator=(const NcclQueue&) = delete;

  const Stream& stream() const { return stream_; }

  // begin(), then the work of one collective on stream(), then end(). That work runs after
  // everything enqueued on `computing` so far, and before what is enqueued there after end(). One
  // collective at a time (in_flight.h). begin() blocks while kMostQueued collectives have not run.
  // Throws nothing if a collective has failed: failure() says so. What this thread records as a
  // DeviceGraph has the same order, but is not in the queue: its replays are.
  void begin(const Stream& computing);
  void end(const Entry& entry, const Stream& computing);

  // The message of the first collective that failed, for an exception; empty if none has.
  std::string failure();
  // Blocks until no collective of the group is left in the queue. Returns false if one has failed.
  bool drain(ncclComm_t group);

 private:
  using Clock = std::chrono::steady_clock;
  using Lock = std::unique_lock<std::mutex>;

  static constexpr std::size_t kMostQueued = 64;
  static constexpr std::chrono::milliseconds kPollInterval{20}, kPollIntervalOfCaller{1};

  struct Queued {
    explicit Queued(Device device) : started(device), done(device) {}

    Event started, done;
    Entry entry;
    std::optional<Clock::time_point> deadline;  // set once it has started
  };

  explicit NcclQueue(Device device);

  Queued& at(std::size_t index) { return *ring_[index % kMostQueued]; }
  // Polls until is_over() or a failure.
  template <typename IsOver>
  void wait(Lock& lock, const IsOver& is_over);
  // Removes the collectives that are done, and sets failure_ if one has failed. With the lock held.
  void poll();
  static bool is_done(Queued& queued);
  void watch();
  [[noreturn]] void end_process(Lock& lock);

  const Device device_;
  const Stream stream_;
  std::mutex mutex_;  // guards the members below
  std::condition_variable changed_;
  std::vector<std::unique_ptr<Queued>> ring_;
  std::size_t oldest_ = 0, next_ = 0;
  std::string failure_;
  bool is_reported_ = false;  // whether failure() has returned it
};

}  // namespace ripieno::distributed
