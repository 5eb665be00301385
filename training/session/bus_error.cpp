#include "ripieno/training/session/bus_error.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>

#include "ripieno/distributed/communicators/mpi/launcher.h"
#include "ripieno/io/files/memory_map.h"
#include "ripieno/training/session/exit_status.h"

namespace ripieno {
namespace {

int rank_of_process = 0;

// Everything below runs in the handler, so it allocates nothing and takes no lock.

void print(const char* text) {
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text, std::strlen(text));
}

// Ranks of a host read the same file: one of them speaks, and mpirun ends the others.
void wait_for_turn() {
  const timespec turn = {2 * std::min(rank_of_process, 5), 0};
  nanosleep(&turn, nullptr);
}

void end(int signal, siginfo_t* information, void*) {
  const char* file = io::mapped_file_at(information->si_addr);
  wait_for_turn();
  print(program_invocation_short_name);
  if (file) {
    print(": ");
    print(file);
    print(
        ": was cut short or became unreadable while it was in use; restore the file, and the "
        "same command continues from the last checkpoint\n");
    _exit(static_cast<int>(ExitStatus::storage));
  }
  print(": bus error (SIGBUS): mapped or shared memory went away; is /dev/shm full?\n");
  std::signal(signal, SIG_DFL);
  raise(signal);
}

}  // namespace

void report_bus_errors() {
  rank_of_process = distributed::launched_rank();
  struct sigaction action = {};
  action.sa_sigaction = end;
  action.sa_flags = SA_SIGINFO;
  sigemptyset(&action.sa_mask);
  sigaction(SIGBUS, &action, nullptr);
}

}  // namespace ripieno
