#include "ripieno/distributed/communicators/mpi/process_barrier.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <climits>
#include <csignal>
#include <new>

#include "ripieno/core/error.h"

namespace ripieno::distributed {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

constexpr std::chrono::seconds kLong(60);

// A barrier of two processes; this one is rank 0.
struct ProcessBarrierTest : ::testing::Test {
  static constexpr std::size_t kBytes = sizeof(ProcessBarrier::Part) * 2;
  void* memory = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  ProcessBarrier::Part* parts = new (memory) ProcessBarrier::Part[2];
  pid_t other = 0;

  // Forks a process that calls body(barrier) as rank 1 and ends.
  template <typename Body>
  void other_process(const Body& body) {
    other = fork();
    if (other != 0) return;
    ProcessBarrier barrier({parts, parts + 1}, 1);
    body(barrier);
    _exit(0);
  }
  ~ProcessBarrierTest() override {
    kill(other, SIGKILL);
    waitpid(other, nullptr, 0);
    munmap(memory, kBytes);
  }
};

TEST_F(ProcessBarrierTest, AnEndedProcessIsNamedAtOnce) {
  std::signal(SIGCHLD, SIG_IGN);  // prevents a zombie
  other_process([](ProcessBarrier& barrier) { barrier.arrive(kLong); });
  ProcessBarrier mine({parts, parts + 1}, 0);
  mine.arrive(kLong);
  EXPECT_THAT([&] { mine.arrive(kLong); },
              ThrowsMessage<CommunicationFailure>(HasSubstr("rank 1 has ended")));
  std::signal(SIGCHLD, SIG_DFL);
}

TEST_F(ProcessBarrierTest, AProcessThatEndsOnArrivalIsNamed) {
  std::signal(SIGCHLD, SIG_IGN);
  ProcessBarrier mine({parts, parts + 1}, 0);
  other_process([](ProcessBarrier& barrier) {
    usleep(10'000);
    barrier.arrive(kLong);  // the last one
  });
  mine.arrive(kLong);
  while (kill(other, 0) == 0) usleep(1000);
  EXPECT_THAT([&] { mine.arrive(kLong); },
              ThrowsMessage<CommunicationFailure>(HasSubstr("rank 1 has ended")));
  std::signal(SIGCHLD, SIG_DFL);
}

TEST_F(ProcessBarrierTest, AProcessInAnotherPidNamespaceIsNotTakenForEnded) {
  ProcessBarrier mine({parts, parts + 1}, 0);
  other_process([this](ProcessBarrier& barrier) {
    parts[1].processes.store(1);      // another PID namespace
    parts[1].process.store(INT_MAX);  // an id of no process here
    usleep(250'000);
    barrier.arrive(kLong);
  });
  EXPECT_NO_THROW(mine.arrive(kLong));
}

TEST_F(ProcessBarrierTest, AHangingRankIsNamedAfterTheTimeout) {
  other_process([](ProcessBarrier& barrier) {
    barrier.arrive(kLong);
    std::raise(SIGSTOP);
  });
  ProcessBarrier mine({parts, parts + 1}, 0);
  mine.arrive(kLong);
  EXPECT_THAT(
      [&] { mine.arrive(std::chrono::seconds(1)); },
      ThrowsMessage<CommunicationFailure>(HasSubstr("timed out after 1 s waiting for rank 1")));
}

TEST_F(ProcessBarrierTest, WaitsForASlowRank) {
  other_process([](ProcessBarrier& barrier) {
    for (int round = 0; round < 3; ++round) {
      usleep(250'000);
      barrier.arrive(kLong);
    }
  });
  ProcessBarrier mine({parts, parts + 1}, 0);
  for (int round = 0; round < 3; ++round) EXPECT_NO_THROW(mine.arrive(kLong));
}

}  // namespace
}  // namespace ripieno::distributed
