#include "ripieno/training/watch/stacks.h"

#include <gmock/gmock.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace ripieno::watch {
namespace {

using testing::HasSubstr;

// A thread that waits until the end of the test.
class Waiting {
 public:
  explicit Waiting(bool blocks_signals = false) {
    thread_ = std::thread([this, blocks_signals] {
      ::pthread_setname_np(::pthread_self(), "waiting");
      sigset_t all;
      sigfillset(&all);
      if (blocks_signals) ::pthread_sigmask(SIG_SETMASK, &all, nullptr);
      std::unique_lock lock(mutex_);
      id_ = ::gettid();
      changed_.notify_all();
      changed_.wait(lock, [&] { return stopping_; });
    });
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return id_ != 0; });
  }
  ~Waiting() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

  ThreadStack stack() const {
    for (const auto& stack : capture_stacks()) {
      if (stack.id == id_) return stack;
    }
    return {};
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int id_ = 0;
  bool stopping_ = false;
  std::thread thread_;
};

TEST(Stacks, AreThoseOfTheOtherThreads) {
  prepare_stacks();
  const Waiting waiting;
  const auto stack = waiting.stack();
  EXPECT_TRUE(stack.has_answered);
  EXPECT_EQ(stack.name, "waiting");
  EXPECT_EQ(stack.state, 'S');
  EXPECT_GT(stack.frames.size(), 3u);
  EXPECT_THAT(to_string({stack}), HasSubstr("pthread_cond_wait"));
}

TEST(Stacks, SayThatAThreadBlocksSignals) {
  prepare_stacks();
  const Waiting waiting(/*blocks_signals=*/true);
  const auto stack = waiting.stack();
  EXPECT_FALSE(stack.has_answered);
  EXPECT_THAT(to_string({stack}), HasSubstr("no stack"));
}

}  // namespace
}  // namespace ripieno::watch
