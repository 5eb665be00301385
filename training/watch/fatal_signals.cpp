#include "ripieno/training/watch/fatal_signals.h"

#include <atomic>
#include <csignal>

namespace ripieno::watch {
namespace {

constexpr int kSignals[] = {SIGSEGV, SIGABRT, SIGFPE, SIGILL, SIGTERM, SIGINT, SIGHUP, SIGQUIT};

std::atomic<void (*)(int)> recorded = nullptr;
bool is_handled[NSIG] = {};

// The signal is blocked while its handler runs, so the raised one ends the process on return.
void record_and_end(int signal) {
  std::signal(signal, SIG_DFL);
  if (auto* const record = recorded.load()) record(signal);
  raise(signal);
}

}  // namespace

FatalSignals::FatalSignals(void (*record)(int signal)) {
  recorded = record;
  for (const int signal : kSignals) {
    struct sigaction before = {};
    sigaction(signal, nullptr, &before);
    if ((before.sa_flags & SA_SIGINFO) != 0 || before.sa_handler != SIG_DFL) continue;
    struct sigaction action = {};
    action.sa_handler = record_and_end;
    sigemptyset(&action.sa_mask);
    sigaction(signal, &action, nullptr);
    is_handled[signal] = true;
  }
}

FatalSignals::~FatalSignals() {
  for (const int signal : kSignals) {
    if (is_handled[signal]) std::signal(signal, SIG_DFL);
    is_handled[signal] = false;
  }
  recorded = nullptr;
}

}  // namespace ripieno::watch
