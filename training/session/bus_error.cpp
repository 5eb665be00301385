#include "ripieno/training/session/bus_error.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>

#include "ripieno/distributed/communicators/mpi/launcher.h"
#include "ripieno/io/files/memory_map.h"
#include "ripieno/io/run/ranks/flight_memory.h"
#include "ripieno/training/session/exit_status.h"

namespace ripieno {
namespace {

int rank_of_process = 0;
std::atomic<void (*)(const char* line)> recorded = nullptr;

// All functions below run in the signal handler: no allocation, no locks.

void print(const char* text) {
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text, std::strlen(text));
}

// `file` and what follows it; in memory of its own, since a handler may not allocate.
const char* line_of(const char* file) {
  static char line[1024];
  line[0] = '\0';
  std::strncat(line, file, sizeof line - 200);
  std::strcat(line,
              ": the file was truncated or became unreadable while in use; restore it, then run "
              "the same command to continue from the last checkpoint");
  return line;
}

// Once: recording may fault too.
void record(const char* line) {
  if (auto* const call = recorded.exchange(nullptr)) call(line);
}

// All ranks of a host map the same file. The lowest prints its message first; mpirun then ends the
// others.
void wait_for_turn() {
  const timespec turn = {2 * std::min(rank_of_process, 5), 0};
  nanosleep(&turn, nullptr);
}

void end(int signal, siginfo_t* information, void*) {
  if (io::replace_lost_flight_memory(information->si_addr)) return;
  const char* file = io::mapped_file_at(information->si_addr);
  const char* const line = file ? line_of(file) : nullptr;
  record(line);
  wait_for_turn();
  print(program_invocation_short_name);
  if (line) {
    print(": ");
    print(line);
    print("\n");
    _exit(static_cast<int>(ExitStatus::storage));
  }
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

void record_bus_errors(void (*record)(const char* line)) { recorded = record; }

}  // namespace ripieno
