// SlotTeam: a few threads, started once, that do one thing together, each on one processor.
#pragma once

#include <condition_variable>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace ripieno::distributed {

class SlotTeam {
 public:
  // The thread that calls run() is one of them.
  explicit SlotTeam(int threads);
  ~SlotTeam();
  SlotTeam(const SlotTeam&) = delete;
  SlotTeam& operator=(const SlotTeam&) = delete;

  int threads() const { return static_cast<int>(others_.size()) + 1; }

  // Calls body() on every thread at once, where kernels use that thread alone; returns once all
  // have. Rethrows what one of them threw.
  template <typename Body>
  void run(const Body& body) {
    run_everywhere(std::cref(body));  // a reference: nothing is allocated
  }

 private:
  void run_everywhere(std::function<void()> body);
  void work();
  void run_here();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::function<void()> body_;
  int64_t round_ = 0;
  int running_ = 0;  // of the others
  bool stopping_ = false;
  std::exception_ptr failure_;
  std::vector<std::thread> others_;
};

}  // namespace ripieno::distributed
