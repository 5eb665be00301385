#include "ripieno/training/session/bus_error.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>

#include "ripieno/distributed/communicators/mpi/launcher.h"
#include "ripieno/io/run/ranks/flight_memory.h"

namespace ripieno {
namespace {

int rank_of_process = 0;
std::atomic<void (*)()> recorded = nullptr;

// All functions below run in the signal handler: no allocation, no locks.

void print(const char* text) {
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text, std::strlen(text));
}

// Once: recording may fault too.
void record() {
  if (auto* const call = recorded.exchange(nullptr)) call();
}

// All ranks of a host may share the memory. The lowest prints its message first; mpirun then ends
// the others.
void wait_for_turn() {
  const timespec turn = {2 * std::min(rank_of_process, 5), 0};
  nanosleep(&turn, nullptr);
}

void end(int signal, siginfo_t* information, void*) {
  if (io::replace_lost_flight_memory(information->si_addr)) return;
  record();
  wait_for_turn();
  print(program_invocation_short_name);
  print(": bus error (SIGBUS) in mapped or shared memory; check that /dev/shm is not full\n");
  std::signal(signal, SIG_DFL);
  raise(signal);
}

}  // namespace

void report_bus_errors() {
  rank_of_process = distributed::launched_rank();
  struct sigaction action = {};
  action.sa_sigaction = end;
  // Recording may need memory whose storage is lost too, which is then replaced.
  action.sa_flags = SA_SIGINFO | SA_NODEFER;
  sigemptyset(&action.sa_mask);
  sigaction(SIGBUS, &action, nullptr);
}

void record_bus_errors(void (*record)()) { recorded = record; }

}  // namespace ripieno
