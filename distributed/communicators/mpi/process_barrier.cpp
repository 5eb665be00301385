#include "ripieno/distributed/communicators/mpi/process_barrier.h"

#include <fmt/format.h>
#include <linux/futex.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <climits>

#include "ripieno/core/error.h"
#include "ripieno/distributed/communicators/waiting.h"

namespace ripieno::distributed {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kSpins = 300;
constexpr long kCheckNanoseconds = 100'000'000;  // between checks that the others are running

void spin_once() { __builtin_ia32_pause(); }

// std::atomic::wait() works within one process only.
void sleep_while(std::atomic<uint32_t>& word, uint32_t value) {
  const timespec most{0, kCheckNanoseconds};
  syscall(SYS_futex, &word, FUTEX_WAIT, value, &most, nullptr, 0);
}

void wake_all(std::atomic<uint32_t>& word) {
  syscall(SYS_futex, &word, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

// The PID namespace of this process; 0 if unknown.
ino_t process_namespace() {
  struct stat status = {};
  return stat("/proc/self/ns/pid", &status) == 0 ? status.st_ino : 0;
}

bool has_ended(pid_t process) { return kill(process, 0) != 0 && errno == ESRCH; }

}  // namespace

ProcessBarrier::ProcessBarrier(std::vector<Part*> parts, int rank)
    : parts_(std::move(parts)),
      mine_(*parts_[static_cast<std::size_t>(rank)]),
      shared_(*parts_[0]) {
  mine_.processes.store(process_namespace());
  mine_.process.store(getpid());
}

void ProcessBarrier::arrive(std::chrono::seconds timeout) {
  const uint32_t generation = shared_.generation.load();
  mine_.reached.store(generation + 1);
  if (shared_.arrived.fetch_add(1) + 1 < parts_.size()) {
    wait_while(generation, timeout);
  } else {
    shared_.arrived.store(0);
    shared_.generation.store(generation + 1);
    // A rank that increments `asleep` later sees the new generation and does not sleep.
    if (shared_.asleep.load() > 0) wake_all(shared_.generation);
  }
}

void ProcessBarrier::wait_while(uint32_t generation, std::chrono::seconds timeout) {
  for (int spin = 0; spin < kSpins; ++spin) {
    if (shared_.generation.load() != generation) return;
    spin_once();
  }
  const Clock::time_point deadline = deadline_after(timeout);
  shared_.asleep.fetch_add(1);
  while (true) {
    sleep_while(shared_.generation, generation);
    if (shared_.generation.load() != generation) break;
    fail_if_ended(generation);
    if (Clock::now() >= deadline) fail_waiting(timeout, missing(generation));
  }
  shared_.asleep.fetch_sub(1);
}

std::vector<int> ProcessBarrier::missing(uint32_t generation) const {
  std::vector<int> result;
  for (std::size_t rank = 0; rank < parts_.size(); ++rank) {
    if (parts_[rank]->reached.load() != generation + 1) result.push_back(static_cast<int>(rank));
  }
  return result;
}

void ProcessBarrier::fail_if_ended(uint32_t generation) const {
  if (mine_.processes.load() == 0) return;
  for (const int rank : missing(generation)) {
    const Part& part = *parts_[static_cast<std::size_t>(rank)];
    const pid_t process = part.process.load();
    // No conclusion about a rank that has not set its process yet or is in another PID namespace.
    if (process == 0 || part.processes.load() != mine_.processes.load() || !has_ended(process)) {
      continue;
    }
    throw CommunicationFailure(
        fmt::format("rank {} has ended (process {} on this host); see its own error message for "
                    "the cause",
                    rank, process));
  }
}

}  // namespace ripieno::distributed
