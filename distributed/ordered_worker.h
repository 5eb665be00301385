// OrderedWorker: runs the pieces of a round in their order, each once it is released.
//
// With a thread of its own it runs them meanwhile, else in wait() and finish(). One thread releases
// and finishes.
#pragma once

#include <condition_variable>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>

namespace ripieno::distributed {

class OrderedWorker {
 public:
  enum class Place { own_thread, finish };
  // run(piece) for each piece of each round. The thread starts here, and lives as long as this.
  OrderedWorker(int pieces, std::function<void(int)> run, Place place);
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

  const int pieces_;
  const std::function<void(int)> run_;
  std::mutex mutex_;
  std::condition_variable changed_;
  int released_ = 0;
  int done_ = 0;
  bool stopping_ = false;
  std::exception_ptr failure_;
  std::thread thread_;
};

}  // namespace ripieno::distributed
