#include "ripieno/distributed/communicators/nccl/nccl_queue.h"

#include <fmt/format.h>

#include <exception>
#include <map>

#include "ripieno/core/device/device_graph.h"
#include "ripieno/core/error.h"
#include "ripieno/core/start_thread.h"
#include "ripieno/distributed/communicators/nccl/nccl_error.h"
#include "ripieno/distributed/communicators/waiting.h"

namespace ripieno::distributed {

NcclQueue& NcclQueue::on(Device device) {
  static std::mutex mutex;
  static auto& queues = *new std::map<int, NcclQueue*>;  // their threads use them until the end
  const std::lock_guard lock(mutex);
  NcclQueue*& queue = queues[device.index];
  if (queue == nullptr) queue = new NcclQueue(device);
  return *queue;
}

NcclQueue::NcclQueue(Device device) : device_(device), stream_(device) {
  for (std::size_t i = 0; i < kMostQueued; ++i) ring_.push_back(std::make_unique<Queued>(device));
  start_thread("to enforce the timeouts of NCCL", [this] { watch(); }).detach();
}

template <typename IsOver>
void NcclQueue::wait(Lock& lock, const IsOver& is_over) {
  while (failure_.empty() && !is_over()) {
    poll();
    if (failure_.empty() && !is_over()) changed_.wait_for(lock, kPollIntervalOfCaller);
  }
}

void NcclQueue::begin(const Stream& computing) {
  if (is_recording()) return stream_.wait(computing);
  Lock lock(mutex_);
  wait(lock, [&] { return next_ - oldest_ < kMostQueued; });
  if (!failure_.empty()) return;
  stream_.wait(computing);
  at(next_).started.record(stream_);
}

void NcclQueue::end(const Entry& entry, const Stream& computing) {
  if (is_recording()) return computing.wait(stream_);
  const Lock lock(mutex_);
  Queued& queued = at(next_);
  queued.done.record(stream_);
  computing.wait(queued.done);
  queued.entry = entry;
  queued.deadline.reset();
  if (next_++ == oldest_) changed_.notify_all();
}

std::string NcclQueue::failure() {
  const Lock lock(mutex_);
  is_reported_ = !failure_.empty();
  return failure_;
}

bool NcclQueue::drain(ncclComm_t group) {
  Lock lock(mutex_);
  wait(lock, [&] {
    for (std::size_t i = oldest_; i < next_; ++i) {
      if (at(i).entry.group == group) return false;
    }
    return true;
  });
  return failure_.empty();
}

void NcclQueue::poll() {
  for (; failure_.empty() && oldest_ < next_; ++oldest_) {
    Queued& queued = at(oldest_);
    try {
      if (!is_done(queued)) return;
    } catch (const std::exception& error) {
      const Entry& entry = queued.entry;
      failure_ = fmt::format("{} over NCCL on rank {} of {}: {}", to_string(entry.collective),
                             entry.rank, entry.size, error.what());
      return;
    }
  }
}

// Throws if the collective has failed or its time is over.
bool NcclQueue::is_done(Queued& queued) {
  const bool done = queued.done.is_done();
  require_no_error(queued.entry.group);  // also if it is done: then its numbers may be wrong
  if (done) return true;
  if (!queued.deadline && queued.started.is_done())
    queued.deadline = deadline_after(queued.entry.timeout);
  if (queued.deadline && Clock::now() > *queued.deadline) fail_waiting(queued.entry.timeout, {});
  return false;
}

void NcclQueue::watch() {
  current_stream(device_);  // makes the GPU the current one of this thread
  Lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return oldest_ < next_; });
    poll();
    if (!failure_.empty()) end_process(lock);
    changed_.wait_for(lock, kPollInterval);
  }
}

void NcclQueue::end_process(Lock& lock) {
  const auto failed_at = Clock::now();
  while (Clock::now() < failed_at + (is_reported_ ? kSecondsToEnd : kSecondsToNotice))
    changed_.wait_for(lock, kPollInterval);
  const CommunicationFailure failure(failure_);
  lock.unlock();
  throw failure;
}

}  // namespace ripieno::distributed
