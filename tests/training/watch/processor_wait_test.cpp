#include "ripieno/training/watch/processor_wait.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <atomic>
#include <chrono>
#include <thread>

namespace ripieno::watch {
namespace {

using Clock = std::chrono::steady_clock;

void use_one_core() {
  cpu_set_t allowed, one;
  ASSERT_EQ(::sched_getaffinity(0, sizeof allowed, &allowed), 0);
  CPU_ZERO(&one);
  for (int core = 0; core < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++core) {
    if (CPU_ISSET(core, &allowed)) CPU_SET(core, &one);
  }
  ASSERT_EQ(::sched_setaffinity(0, sizeof one, &one), 0);
}

// Two threads that both want one core must wait for each other.
TEST(ProcessorWait, GrowsWhileOthersUseTheCore) {
  std::atomic<bool> has_waited = false, is_counted = true;
  const auto wants_core = [&] {
    use_one_core();
    const ProcessorWait wait;
    const auto before = wait.seconds();
    is_counted = is_counted && before;
    const auto deadline = Clock::now() + std::chrono::seconds(60);
    while (is_counted && !has_waited && Clock::now() < deadline)
      has_waited = has_waited || *wait.seconds() > *before + 0.05;
  };
  std::jthread first(wants_core), second(wants_core);
  first.join();
  second.join();
  if (!is_counted) GTEST_SKIP() << "the kernel has no scheduling statistics";
  EXPECT_TRUE(has_waited);
}

}  // namespace
}  // namespace ripieno::watch
