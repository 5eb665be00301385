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

// A share of a loop is taken by its own thread in so many pieces, and by others that are done.
constexpr int64_t kPiecesOfShare = 4;

thread_local bool in_team = false;

// Marks the calling thread as one that runs a loop's body.
class InTeam {
 public:
  InTeam() { in_team = true; }
  ~InTeam() { in_team = false; }
  InTeam(const InTeam&) = delete;
  InTeam& operator=(const InTeam&) = delete;
};

// How often this process was forked: a child has none of its parent's threads.
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

// Whether `is_over` became true while spinning costs less than sleeping. After a moment others may
// run in between: they may be what is waited for.
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

// The indices [next, end) of a loop, which threads take piece by piece.
struct alignas(64) Share {
  std::atomic<int64_t> next = 0;
  int64_t end = 0, piece = 1;

  void set(int64_t first, int64_t last) {
    next.store(first, std::memory_order_relaxed);
    end = last;
    piece = std::max<int64_t>(1, (last - first + kPiecesOfShare - 1) / kPiecesOfShare);
  }
};

// One loop, with a share for each thread of the team that takes part.
class Loop {
 public:
  Loop(const LoopBody& body, Share* shares, int64_t count)
      : body_(body), shares_(shares), count_(count) {}

  // All pieces that nobody else takes, those of share `own` first. Does not throw.
  void work(int64_t own) noexcept {
    const InTeam mark;
    try {
      for (int64_t i = 0; i < count_; ++i) take(shares_[(own + i) % count_]);
    } catch (...) {
      if (!has_failed_.exchange(true)) failure_ = std::current_exception();
    }
  }

  // Once nobody works on it.
  void rethrow() const {
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  void take(Share& share) {
    while (!has_failed_.load(std::memory_order_relaxed)) {
      const int64_t begin = share.next.fetch_add(share.piece, std::memory_order_relaxed);
      if (begin >= share.end) return;
      body_(begin, std::min(share.end, begin + share.piece));
    }
  }

  LoopBody body_;
  Share* shares_;
  int64_t count_;  // of shares
  std::atomic<bool> has_failed_ = false;
  std::exception_ptr failure_;  // the first
};

// A thread of a team and what it is to do.
class Worker {
 public:
  explicit Worker(int64_t share) : share_(share), thread_([this] { run(); }) {}
  ~Worker() {
    if (!thread_.joinable()) return;
    if (state_.exchange(kEnd) == kAsleep) wake(state_);
    thread_.join();
  }
  // In a forked child: the thread is not there.
  void forget() { thread_.detach(); }

  void offer(Loop& loop) {
    loop_ = &loop;
    if (state_.exchange(kOffered, std::memory_order_acq_rel) == kAsleep) wake(state_);
  }

  // Returns once the worker has nothing to do with the loop that it was offered.
  void take_back() {
    uint32_t state = kOffered;
    if (state_.compare_exchange_strong(state, kIdle, std::memory_order_acq_rel)) return;
    const auto is_done = [this] {
      const uint32_t now = state_.load(std::memory_order_acquire);
      return now == kIdle || now == kAsleep;
    };
    if (spin_until(is_done)) return;
    state = kTaken;
    state_.compare_exchange_strong(state, kAwaited, std::memory_order_acq_rel);
    while (!is_done()) sleep_while(state_, kAwaited);
  }

 private:
  // kIdle and kAsleep until it is offered a loop, which it takes unless that is taken back; awaited
  // where the caller sleeps until it is done.
  enum State : uint32_t { kIdle, kAsleep, kOffered, kTaken, kAwaited, kEnd };

  void run() {
    for (;;) {
      spin_until([this] {
        const uint32_t now = state_.load(std::memory_order_relaxed);
        return now == kOffered || now == kEnd;
      });
      uint32_t state = kIdle;
      state_.compare_exchange_strong(state, kAsleep, std::memory_order_acq_rel);
      while (state_.load(std::memory_order_acquire) == kAsleep) sleep_while(state_, kAsleep);
      if (state_.load(std::memory_order_acquire) == kEnd) return;
      state = kOffered;
      if (!state_.compare_exchange_strong(state, kTaken, std::memory_order_acq_rel)) continue;
      loop_->work(share_);
      if (state_.exchange(kIdle, std::memory_order_acq_rel) == kAwaited) wake(state_);
    }
  }

  alignas(64) std::atomic<uint32_t> state_ = kIdle;
  Loop* loop_ = nullptr;
  int64_t share_;
  std::thread thread_;  // last: it uses the others
};

// Signals are for the threads that the program started, but for those that a thread causes itself.
class WithoutSignals {
 public:
  WithoutSignals() {
    sigset_t blocked;
    sigfillset(&blocked);
    for (const int own : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP}) sigdelset(&blocked, own);
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
  ~Team() { forget_after_fork(); }

  void run(int64_t count, int64_t threads, const LoopBody& body) {
    grow(threads);
    threads = std::min(threads, static_cast<int64_t>(workers_.size()) + 1);
    for (int64_t i = 0; i < threads; ++i) {
      shares_[i].set(count * i / threads, count * (i + 1) / threads);
    }
    Loop loop(body, shares_.get(), threads);
    for (int64_t i = 1; i < threads; ++i) workers_[i - 1]->offer(loop);
    loop.work(0);
    for (int64_t i = 1; i < threads; ++i) workers_[i - 1]->take_back();
    loop.rethrow();
  }

 private:
  void grow(int64_t threads) {
    forget_after_fork();
    if (threads <= size_) return;
    shares_ = std::make_unique<Share[]>(threads);
    size_ = threads;  // asked for once: where there are no more threads, there are none
    const WithoutSignals none;
    try {
      while (static_cast<int64_t>(workers_.size()) + 1 < threads) {
        workers_.push_back(std::make_unique<Worker>(static_cast<int64_t>(workers_.size()) + 1));
      }
    } catch (const std::system_error&) {
    }
  }

  void forget_after_fork() {
    if (forks_ == forks_now()) return;
    for (const auto& worker : workers_) worker->forget();
    workers_.clear();
    size_ = 1;
    forks_ = forks_now();
  }

  int64_t size_ = 1;  // of shares_, once it was needed
  std::unique_ptr<Share[]> shares_;
  std::vector<std::unique_ptr<Worker>> workers_;  // for the shares from 1 on
  int forks_ = forks_now();
};

}  // namespace

void run_by_team(int64_t count, int threads, const LoopBody& body) {
  if (threads <= 1 || count <= 1 || in_team) return body(0, count);
  thread_local Team team;
  team.run(count, std::min<int64_t>(threads, count), body);
}

}  // namespace ripieno::kernels::cpu
