// SlotTeam: a fixed set of threads that run the same function together, with one CPU thread per
// kernel call. For strict mode.
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
  // threads: includes the one that calls run(). Fewer are started if the system refuses more.
  explicit SlotTeam(int threads);
  ~SlotTeam();
  SlotTeam(const SlotTeam&) = delete;
  SlotTeam& operator=(const SlotTeam&) = delete;

  int threads() const { return static_cast<int>(others_.size()) + 1; }

  // Calls body() on every thread; kernels called there do not use further threads. Returns once all
  // calls have returned. Rethrows the first exception.
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
  int running_ = 0;  // number of other threads in body_
  bool stopping_ = false;
  std::exception_ptr failure_;
  std::vector<std::thread> others_;
};

}  // namespace ripieno::distributed
