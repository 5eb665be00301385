#include "ripieno/kernels/cpu/support/team.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "ripieno/kernels/cpu/support/parallel.h"

namespace ripieno::kernels::cpu {
namespace {

template <typename Body>
void loop(int64_t count, int threads, const Body& body) {
  set_cpu_threads(threads);
  parallel_for(count, kParallelGrain, body);
  set_cpu_threads(1);
}

// Number of times that each index was run.
std::vector<int> visits(int64_t count, int threads) {
  std::vector<std::atomic<int>> counters(static_cast<std::size_t>(count));
  loop(count, threads, [&](int64_t i) { ++counters[static_cast<std::size_t>(i)]; });
  return {counters.begin(), counters.end()};
}

std::vector<int> once(int64_t count) {
  return std::vector<int>(static_cast<std::size_t>(count), 1);
}

TEST(Team, RunsEachIndexOnce) {
  for (int threads = 1; threads <= 9; ++threads) {
    for (const int64_t count : {0, 1, 2, 3, 31, 32, 33, 1001}) {
      EXPECT_EQ(visits(count, threads), once(count)) << count << " by " << threads;
    }
  }
}

TEST(Team, RunsEachIndexOnceInManyShortLoops) {
  std::atomic<int64_t> sum = 0;
  for (int i = 0; i < 10000; ++i) {
    loop(5, 3, [&](int64_t index) { sum += index; });
  }
  EXPECT_EQ(sum, 10000 * 10);
}

TEST(Team, RethrowsWhatABodyThrowsAndWorksAfterwards) {
  for (const int64_t culprit : {0, 17, 99}) {
    const auto fails = [&](int64_t i) {
      if (i == culprit) throw std::bad_alloc();
    };
    EXPECT_THROW(loop(100, 4, fails), std::bad_alloc);
    EXPECT_EQ(visits(100, 4), once(100));
  }
  EXPECT_THROW(loop(100, 4, [](int64_t) { throw std::runtime_error("all of them"); }),
               std::runtime_error);
}

TEST(Team, RunsALoopInsideALoopOnTheSameThread) {
  std::atomic<int> strangers = 0;
  loop(8, 4, [&](int64_t) {
    const auto self = std::this_thread::get_id();
    set_cpu_threads(4);
    parallel_for(8, kParallelGrain,
                 [&](int64_t) { strangers += std::this_thread::get_id() != self; });
    set_cpu_threads(1);
  });
  EXPECT_EQ(strangers, 0);
}

TEST(Team, IsPerCallingThread) {
  std::atomic<int> wrong = 0;
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 4; ++caller) {
    callers.emplace_back([&] {
      for (int i = 0; i < 200; ++i) wrong += visits(33, 3) != once(33);
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(wrong, 0);
}

// States of this process's threads as in ps(1): R is running, S is sleeping.
std::string states_of_threads() {
  std::string states;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream stat(task.path() / "stat");
    std::string line;
    if (!std::getline(stat, line)) continue;  // the thread has just ended
    states += line.at(line.rfind(')') + 2);
  }
  return states;
}

TEST(Team, SleepsWhenIdle) {
  visits(33, 4);
  const auto running = [] {
    const std::string states = states_of_threads();
    return std::count(states.begin(), states.end(), 'R');
  };
  while (running() > 1) std::this_thread::yield();  // if the team never sleeps, the test times out
}

TEST(Team, EndsWithItsCallingThread) {
  const std::size_t before = states_of_threads().size();
  std::size_t during = 0;
  std::thread([&] {
    visits(33, 4);
    during = states_of_threads().size();
  }).join();
  EXPECT_EQ(during, before + 4);
  while (states_of_threads().size() > before) std::this_thread::yield();  // /proc lags behind
}

TEST(Team, IsRecreatedInAForkedChild) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "ThreadSanitizer does not start threads in a forked child";
#endif
  visits(33, 4);
  const pid_t child = fork();
  if (child == 0) _exit(visits(33, 4) == once(33) && states_of_threads().size() == 4 ? 0 : 1);
  int status = -1;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace ripieno::kernels::cpu
