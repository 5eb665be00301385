#include "ripieno/training/session/stop_signal.h"

#include <atomic>
#include <csignal>
#include <cstdint>
#include <ctime>

namespace ripieno {
namespace {

constexpr int kAlways[] = {SIGUSR1, SIGUSR2, SIGXCPU, SIGALRM, SIGPWR};
constexpr int kAlone[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT};
constexpr int kIgnored[] = {SIGPIPE, SIGXFSZ};
constexpr int64_t kSecond = 1'000'000'000;

std::atomic<bool> stop_requested = false;
std::atomic<int64_t> first_at = 0;  // nanoseconds
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler writes it");
static_assert(std::atomic<int64_t>::is_always_lock_free, "a signal handler writes it");

struct sigaction previous[NSIG] = {};
bool is_handled[NSIG] = {};

int64_t now() {
  timespec time = {};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * kSecond + time.tv_nsec;
}

void record(int) {
  int64_t none = 0;
  first_at.compare_exchange_strong(none, now());
  stop_requested.store(true, std::memory_order_relaxed);
}

void set_handler(int signal, void (*handler)(int)) {
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  sigaction(signal, &action, nullptr);
}

// The signal is blocked while its handler runs, so the raised one ends the process on return.
void record_or_end(int signal) {
  const int64_t first = first_at.load();
  if (first == 0 || now() - first < kSecond) return record(signal);
  set_handler(signal, SIG_DFL);
  raise(signal);
}

void handle(int signal, void (*handler)(int)) {
  sigaction(signal, nullptr, &previous[signal]);
  if (signal == SIGHUP && previous[signal].sa_handler == SIG_IGN) return;
  set_handler(signal, handler);
  is_handled[signal] = true;
}

}  // namespace

StopSignal::StopSignal(bool alone) {
  stop_requested = false;
  first_at = 0;
  for (const int signal : kAlways) handle(signal, record);
  for (const int signal : kIgnored) handle(signal, SIG_IGN);
  if (!alone) return;
  for (const int signal : kAlone) handle(signal, record_or_end);
}

StopSignal::~StopSignal() {
  for (int signal = 1; signal < NSIG; ++signal) {
    if (is_handled[signal]) sigaction(signal, &previous[signal], nullptr);
    is_handled[signal] = false;
  }
}

bool StopSignal::arrived() { return stop_requested.load(std::memory_order_relaxed); }

}  // namespace ripieno
