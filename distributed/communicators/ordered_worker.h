// OrderedWorker: runs the pieces of a round in their order, each once it is released.
//
// With a thread of its own it runs them meanwhile, else in wait() and finish(). One thread releases
// and finishes. What pieces enqueue on a GPU goes to a stream of its own: behind what the releasing
// thread's stream had been given, and what that one is given after wait() and finish() goes behind
// the pieces. The host waits for none of it.
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
  enum class Place { own_thread, finish };
  // run(piece) for each piece of each round, of work on `device`. The thread starts here, and lives
  // as long as this.
  OrderedWorker(int pieces, std::function<void(int)> run, Place place,
                Device device = Device::cpu());
  // Waits for the piece that is running; later ones are left.
  ~OrderedWorker();
  OrderedWorker(const OrderedWorker&) = delete;
  OrderedWorker& operator=(const OrderedWorker&) = delete;

  // The first `pieces` of this round may run.
  void release(int pieces);
  // Returns once the first `pieces`, which are released, have run. Throws as finish().
  void wait(int pieces);
  // Releases the rest, waits for all, and begins the next round. Rethrows what a piece threw; after
  // that nothing runs any more.
  void finish();

 private:
  void work();
  void run_next(std::unique_lock<std::mutex>& lock);
  void run_on_stream(int piece);

  const int pieces_;
  const std::function<void(int)> run_;
  const Device device_;
  Stream stream_;
  // (pieces) in the releasing thread's stream, and in this one's
  std::deque<Event> released_at_, done_at_;
  std::mutex mutex_;
  std::condition_variable changed_;
  int released_ = 0;
  int done_ = 0;
  bool stopping_ = false;
  std::exception_ptr failure_;
  std::thread thread_;
};

}  // namespace ripieno::distributed
