#include "ripieno/training/watch/fatal_signals.h"

#include <atomic>
#include <csignal>

namespace ripieno::watch {
namespace {

// Handlers of crashes only report them, as that of Open MPI does, so they are called as well.
constexpr int kCrashes[] = {SIGSEGV, SIGABRT, SIGFPE, SIGILL};
// A handler of these may keep the process from ending.
constexpr int kRequests[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT};

std::atomic<void (*)(int)> recorded = nullptr;
bool is_handled[NSIG] = {};
struct sigaction before[NSIG];

// Without an earlier handler: the signal is blocked while this one runs, so the raised one ends the
// process on return.
void record_and_end(int signal, siginfo_t* info, void* context) {
  if (auto* const record = recorded.load()) record(signal);
  const struct sigaction& earlier = before[signal];
  if ((earlier.sa_flags & SA_SIGINFO) != 0) return earlier.sa_sigaction(signal, info, context);
  if (earlier.sa_handler != SIG_DFL) return earlier.sa_handler(signal);
  std::signal(signal, SIG_DFL);
  raise(signal);
}

bool is_default(const struct sigaction& action) {
  return (action.sa_flags & SA_SIGINFO) == 0 && action.sa_handler == SIG_DFL;
}
bool is_ignored(const struct sigaction& action) {
  return (action.sa_flags & SA_SIGINFO) == 0 && action.sa_handler == SIG_IGN;
}

void handle(int signal) {
  struct sigaction action = {};
  action.sa_sigaction = record_and_end;
  action.sa_flags = SA_SIGINFO;
  sigemptyset(&action.sa_mask);
  sigaction(signal, &action, nullptr);
  is_handled[signal] = true;
}

}  // namespace

FatalSignals::FatalSignals(void (*record)(int signal)) {
  recorded = record;
  for (const int signal : kCrashes) {
    sigaction(signal, nullptr, &before[signal]);
    if (!is_ignored(before[signal])) handle(signal);
  }
  for (const int signal : kRequests) {
    sigaction(signal, nullptr, &before[signal]);
    if (is_default(before[signal])) handle(signal);
  }
}

FatalSignals::~FatalSignals() {
  for (int signal = 1; signal < NSIG; ++signal) {
    if (is_handled[signal]) sigaction(signal, &before[signal], nullptr);
    is_handled[signal] = false;
  }
  recorded = nullptr;
}

}  // namespace ripieno::watch
