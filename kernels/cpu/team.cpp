#include "ripieno/kernels/cpu/support/team.h"

#include <immintrin.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <exception>
#include <memory>
#include <system_error>
#include <thread>
#include <vector>

namespace ripieno::kernels::cpu {

namespace {

// Number of chunks that a thread's share of a loop is split into. Its own thread takes them first,
// then threads that have finished theirs.
constexpr int64_t kChunksPerShare = 4;

thread_local bool in_team = false;

// Marks the calling thread as running a loop body.
class InTeam {
 public:
  InTeam() { in_team = true; }
  ~InTeam() { in_team = false; }
  InTeam(const InTeam&) = delete;
  InTeam& operator=(const InTeam&) = delete;
};

// Number of times this process was forked: a child has none of its parent's threads.
std::atomic<int> forks = 0;
int forks_now() {
  [[maybe_unused]] static const int registered = pthread_atfork(nullptr, nullptr, [] { ++forks; });
  return forks.load(std::memory_order_relaxed);
}

void sleep_while(std::atomic<uint32_t>& state, uint32_t value) {
  syscall(SYS_futex, &state, FUTEX_WAIT_PRIVATE, value, nullptr, nullptr, 0);
}
void wake(std::atomic<uint32_t>& state) {
  syscall(SYS_futex, &state, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
}

// Spins until `is_over` returns true, or until spinning costs more than sleeping (returns false).
// After kAlone it yields between checks, so that the thread that is waited for can run.
template <typename Condition>
bool spin_until(Condition is_over) {
  using std::chrono::microseconds, std::chrono::steady_clock;
  constexpr microseconds kAlone{5}, kAtAll{50};
  const auto begin = steady_clock::now();
  for (;;) {
    for (int i = 0; i < 16; ++i) {
      if (is_over()) return true;
      _mm_pause();
    }
    const auto waited = steady_clock::now() - begin;
    if (waited > kAtAll) return false;
    if (waited > kAlone) std::this_thread::yield();
  }
}

// A range [next, end) of a loop's indices, taken chunk by chunk.
struct alignas(64) Share {
  std::atomic<int64_t> next = 0;
  int64_t end = 0, chunk = 1;

  void set(int64_t first, int64_t last) {
    next.store(first, std::memory_order_relaxed);
    end = last;
    chunk = std::max<int64_t>(1, (last - first + kChunksPerShare - 1) / kChunksPerShare);
  }
};

// One loop, with one share per participating thread.
class Loop {
 public:
  Loop(const LoopBody& body, Share* shares, int64_t count)
      : body_(body), shares_(shares), count_(count) {}

  // Runs chunks until none are left, beginning with those of share `first`. Does not throw.
  void work(int64_t first) noexcept {
    const InTeam mark;
    try {
      for (int64_t i = 0; i < count_; ++i) take(shares_[(first + i) % count_]);
    } catch (...) {
      if (!has_failed_.exchange(true)) failure_ = std::current_exception();
    }
  }

  // Rethrows the first exception of a body. To be called when no thread works on the loop.
  void rethrow() const {
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  void take(Share& share) {
    while (!has_failed_.load(std::memory_order_relaxed)) {
      const int64_t begin = share.next.fetch_add(share.chunk, std::memory_order_relaxed);
      if (begin >= share.end) return;
      body_(begin, std::min(share.end, begin + share.chunk));
    }
  }

  LoopBody body_;
  Share* shares_;
  int64_t count_;  // number of shares
  std::atomic<bool> has_failed_ = false;
  std::exception_ptr failure_;  // the first
};

// A thread of a team, and the loop that it was given.
class Worker {
 public:
  explicit Worker(int64_t share) : share_(share), thread_([this] { run(); }) {}
  ~Worker() {
    if (!thread_.joinable()) return;
    if (state_.exchange(kStop) == kAsleep) wake(state_);
    thread_.join();
  }
  // For a forked child, where the thread does not exist.
  void detach() { thread_.detach(); }

  void submit(Loop& loop) {
    loop_ = &loop;
    if (state_.exchange(kSubmitted, std::memory_order_acq_rel) == kAsleep) wake(state_);
  }

  // Withdraws the submitted loop if the worker has not started on it, else waits until it is done.
  void withdraw_or_wait() {
    uint32_t state = kSubmitted;
    if (state_.compare_exchange_strong(state, kIdle, std::memory_order_acq_rel)) return;
    const auto is_done = [this] {
      const uint32_t now = state_.load(std::memory_order_acquire);
      return now == kIdle || now == kAsleep;
    };
    if (spin_until(is_done)) return;
    state = kRunning;
    state_.compare_exchange_strong(state, kAwaited, std::memory_order_acq_rel);
    while (!is_done()) sleep_while(state_, kAwaited);
  }

 private:
  // kIdle or kAsleep until a loop is submitted; kSubmitted until the worker takes it or the caller
  // withdraws it; kRunning while the worker runs it; kAwaited if the caller sleeps until it is
  // done.
  enum State : uint32_t { kIdle, kAsleep, kSubmitted, kRunning, kAwaited, kStop };

  void run() {
    for (;;) {
      spin_until([this] {
        const uint32_t now = state_.load(std::memory_order_relaxed);
        return now == kSubmitted || now == kStop;
      });
      uint32_t state = kIdle;
      state_.compare_exchange_strong(state, kAsleep, std::memory_order_acq_rel);
      while (state_.load(std::memory_order_acquire) == kAsleep) sleep_while(state_, kAsleep);
      if (state_.load(std::memory_order_acquire) == kStop) return;
      state = kSubmitted;
      if (!state_.compare_exchange_strong(state, kRunning, std::memory_order_acq_rel)) continue;
      loop_->work(share_);
      if (state_.exchange(kIdle, std::memory_order_acq_rel) == kAwaited) wake(state_);
    }
  }

  alignas(64) std::atomic<uint32_t> state_ = kIdle;
  Loop* loop_ = nullptr;
  int64_t share_;
  std::thread thread_;  // last, because it uses the other members
};

// Blocks signals in new threads, so that only threads of the program handle them; except for
// signals that a thread raises by its own fault.
class WithoutSignals {
 public:
  WithoutSignals() {
    sigset_t blocked;
    sigfillset(&blocked);
    for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP}) sigdelset(&blocked, fault);
    pthread_sigmask(SIG_BLOCK, &blocked, &before_);
  }
  ~WithoutSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  WithoutSignals(const WithoutSignals&) = delete;
  WithoutSignals& operator=(const WithoutSignals&) = delete;

 private:
  sigset_t before_;
};

class Team {
 public:
  ~Team() { detach_after_fork(); }

  void run(int64_t count, int64_t threads, const LoopBody& body) {
    grow(threads);
    threads = std::min(threads, static_cast<int64_t>(workers_.size()) + 1);
    for (int64_t i = 0; i < threads; ++i) {
      shares_[i].set(count * i / threads, count * (i + 1) / threads);
    }
    Loop loop(body, shares_.get(), threads);
    for (int64_t i = 1; i < threads; ++i) workers_[i - 1]->submit(loop);
    loop.work(0);
    for (int64_t i = 1; i < threads; ++i) workers_[i - 1]->withdraw_or_wait();
    loop.rethrow();
  }

 private:
  void grow(int64_t threads) {
    detach_after_fork();
    if (threads <= size_) return;
    shares_ = std::make_unique<Share[]>(threads);
    size_ = threads;  // set even if starting threads fails below, so that it is not tried again
    const WithoutSignals none;
    try {
      while (static_cast<int64_t>(workers_.size()) + 1 < threads) {
        workers_.push_back(std::make_unique<Worker>(static_cast<int64_t>(workers_.size()) + 1));
      }
    } catch (const std::system_error&) {
    }
  }

  void detach_after_fork() {
    if (forks_ == forks_now()) return;
    for (const auto& worker : workers_) worker->detach();
    workers_.clear();
    size_ = 1;
    forks_ = forks_now();
  }

  int64_t size_ = 1;  // number of shares_, once allocated
  std::unique_ptr<Share[]> shares_;
  std::vector<std::unique_ptr<Worker>> workers_;  // for shares 1, 2, ...
  int forks_ = forks_now();
};

}  // namespace

void run_by_team(int64_t count, int threads, const LoopBody& body) {
  if (threads <= 1 || count <= 1 || in_team) return body(0, count);
  thread_local Team team;
  team.run(count, std::min<int64_t>(threads, count), body);
}

}  // namespace ripieno::kernels::cpu
