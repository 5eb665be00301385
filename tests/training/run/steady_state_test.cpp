// Steps of a run without logging do not call operator new on any thread, and start no threads.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <limits>
#include <utility>

#include "distributed/allocations.h"
#include "ripieno/kernels/cpu_threads.h"
#include "training/run/tiny_run.h"

namespace ripieno {
namespace {

int64_t threads() {
  const std::filesystem::directory_iterator tasks("/proc/self/task");
  return std::distance(begin(tasks), end(tasks));
}

void expect_steady(int slots) {
  const TemporaryDirectory directory;
  TinyRun run{.directory = directory / "run", .parallel_options = {.slots = slots}};
  run.options = {.steps = 200, .checkpoint_every = 1000, .log_every = 1000};
  // The minimum over groups of twenty steps: the lists of the pool can still grow for a new
  // interleaving of threads, but an allocation in every step shows in every group.
  int64_t allocations = 0, least = std::numeric_limits<int64_t>::max();
  int64_t threads_before = 0, threads_after = -1;
  Session session(distributed::alone());
  kernels::set_cpu_threads(2);
  run.train(session, [&](Session&, int64_t step) {
    if (step == 50) threads_before = threads();
    if (step == 150) threads_after = threads();
    if (step % 20 != 0) return;
    const int64_t before =
        std::exchange(allocations, distributed::testing::allocations_of_all_threads());
    if (step >= 60) least = std::min(least, allocations - before);
  });
  EXPECT_EQ(least, 0);
  EXPECT_EQ(threads_after, threads_before);
}

TEST(SteadyState, OfARunAllocatesNothingAndStartsNoThread) { expect_steady(0); }

TEST(SteadyState, OfAStrictRunAllocatesNothingAndStartsNoThread) { expect_steady(8); }

}  // namespace
}  // namespace ripieno
