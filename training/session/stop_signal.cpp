#include "ripieno/training/session/stop_signal.h"

#include <atomic>
#include <csignal>

namespace ripieno {
namespace {

std::atomic<bool> stop_asked = false;
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler writes it");

void remember(int) { stop_asked.store(true, std::memory_order_relaxed); }

void handle(int signal, void (*handler)(int), int flags) {
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = flags;
  sigemptyset(&action.sa_mask);
  sigaction(signal, &action, nullptr);
}

}  // namespace

StopSignal::StopSignal(bool alone) : alone_(alone) {
  stop_asked = false;
  handle(SIGUSR1, remember, SA_RESTART);
  if (!alone_) return;
  handle(SIGTERM, remember, SA_RESTART | SA_RESETHAND);
  handle(SIGINT, remember, SA_RESTART | SA_RESETHAND);
}

StopSignal::~StopSignal() {
  handle(SIGUSR1, SIG_DFL, 0);
  if (!alone_) return;
  handle(SIGTERM, SIG_DFL, 0);
  handle(SIGINT, SIG_DFL, 0);
}

bool StopSignal::arrived() { return stop_asked.load(std::memory_order_relaxed); }

}  // namespace ripieno
