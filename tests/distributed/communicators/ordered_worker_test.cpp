#include "ripieno/distributed/communicators/ordered_worker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <vector>

namespace ripieno::distributed {
namespace {

using ::testing::ElementsAre;

class OrderedWorkerTest : public ::testing::TestWithParam<OrderedWorker::Mode> {};

TEST_P(OrderedWorkerTest, RunsEachTaskOnceInOrderInEveryRound) {
  std::vector<int> ran;
  OrderedWorker worker(
      3, [&](int task) { ran.push_back(task); }, GetParam());
  for (int round = 0; round < 100; ++round) {
    ran.clear();
    worker.release(1);
    worker.release(2);
    worker.finish();
    ASSERT_THAT(ran, ElementsAre(0, 1, 2));
  }
}

TEST_P(OrderedWorkerTest, NoTaskRunsAfterAFailure) {
  std::vector<int> ran;
  const auto run = [&](int task) {
    ran.push_back(task);
    if (task == 1) throw std::runtime_error("task 1");
  };
  OrderedWorker worker(4, run, GetParam());
  EXPECT_THROW(worker.finish(), std::runtime_error);
  EXPECT_THROW(worker.finish(), std::runtime_error);
  EXPECT_THAT(ran, ElementsAre(0, 1));
}

TEST_P(OrderedWorkerTest, BeginsAnewAfterAnAbandonedRound) {
  std::vector<int> ran;
  bool fails = true;
  const auto run = [&](int task) {
    ran.push_back(task);
    if (fails) throw std::runtime_error("broken");
  };
  OrderedWorker worker(3, run, GetParam());
  worker.release(1);
  EXPECT_THROW(worker.wait(1), std::runtime_error);
  worker.abandon();
  ran.clear();
  fails = false;
  worker.finish();
  EXPECT_THAT(ran, ElementsAre(0, 1, 2));
}

TEST_P(OrderedWorkerTest, CanBeDestroyedWithUnreleasedTasks) {
  OrderedWorker worker(
      2, [](int) {}, GetParam());
  worker.release(1);
}

INSTANTIATE_TEST_SUITE_P(Modes, OrderedWorkerTest,
                         ::testing::Values(OrderedWorker::Mode::in_thread,
                                           OrderedWorker::Mode::in_finish));

TEST(OrderedWorkerThread, RunsReleasedTasksBeforeFinish) {
  std::atomic<int> ran = 0;
  OrderedWorker worker(
      3, [&](int) { ++ran; }, OrderedWorker::Mode::in_thread);
  worker.release(2);
  while (ran < 2) std::this_thread::yield();
  EXPECT_EQ(ran.load(), 2);
  worker.finish();
  EXPECT_EQ(ran.load(), 3);
}

TEST(OrderedWorkerThread, DoesNotRunUnreleasedTasks) {
  std::atomic<int> released = 0;
  const auto run = [&](int task) { EXPECT_LT(task, released.load()); };
  OrderedWorker worker(1000, run, OrderedWorker::Mode::in_thread);
  for (int tasks = 1; tasks <= 1000; ++tasks) {
    released = tasks;
    worker.release(tasks);
  }
  worker.finish();
}

}  // namespace
}  // namespace ripieno::distributed
