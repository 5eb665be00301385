// OrderedWorker: runs a fixed list of tasks in order, each once it is released; repeated each
// round.
//
// Mode::in_thread runs them in a background thread, Mode::in_finish within wait() and finish(). One
// thread calls release(), wait() and finish(). Work that tasks enqueue on a GPU goes to the
// worker's own stream. It runs after the work that the releasing thread's stream held at release(),
// and before work enqueued there after wait() or finish(). The host does not wait for the GPU.
// While the calling thread records a DeviceGraph, tasks run in it as with Mode::in_finish: it may
// record what they enqueue, and other threads may not.
#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>

#include "ripieno/core/device/stream.h"

namespace ripieno::distributed {

class OrderedWorker {
 public:
  enum class Mode { in_thread, in_finish };
  // Calls run(0) .. run(tasks - 1) in each round; `device` is where they enqueue work. With
  // Mode::in_thread the thread starts here and ends with this object.
  OrderedWorker(int tasks, std::function<void(int)> run, Mode mode, Device device = Device::cpu());
  // Waits for the task that is running; later tasks do not run.
  ~OrderedWorker();
  OrderedWorker(const OrderedWorker&) = delete;
  OrderedWorker& operator=(const OrderedWorker&) = delete;

  // Allows the first `tasks` of this round to run.
  void release(int tasks);
  // Returns once the first `tasks`, which must be released, have run. Throws as finish().
  void wait(int tasks);
  // Releases the rest, waits for all, and begins the next round. Rethrows the exception of a task;
  // no task runs after that.
  void finish();
  // Begins the next round after an exception in a recording, none of whose work runs.
  void abandon();

 private:
  // Whether tasks run in the thread that waits for them. With the lock held.
  bool runs_here() const { return is_recorded_ || !thread_.joinable(); }
  void work();
  void run_next(std::unique_lock<std::mutex>& lock);
  void run_on_stream(int task);

  const int tasks_;
  const std::function<void(int)> run_;
  const Device device_;
  Stream stream_;
  // (tasks) recorded in the releasing thread's stream, and in stream_
  std::deque<Event> released_at_, done_at_;
  std::mutex mutex_;
  std::condition_variable changed_;
  int released_ = 0;
  int done_ = 0;
  bool is_recorded_ = false;  // this round
  bool stopping_ = false;
  std::exception_ptr failure_;
  std::thread thread_;
};

}  // namespace ripieno::distributed
