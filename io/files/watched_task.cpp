#include "ripieno/io/files/watched_task.h"

#include <fmt/format.h>

#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <system_error>
#include <utility>

#include "ripieno/core/error.h"
#include "ripieno/io/files/watched_files.h"

namespace ripieno::io {

struct WatchedTask::Shared {
  Shared(FileSystem& to, double seconds, Action what)
      : files(to), stall_timeout_seconds(seconds), action(std::move(what)) {}

  bool is_stalled() const { return files.stalled_seconds() > stall_timeout_seconds; }
  void run() {
    std::exception_ptr thrown;
    try {
      action(files);
    } catch (...) {
      thrown = std::current_exception();
    }
    const std::lock_guard lock(mutex);
    failure = thrown;
    has_ended = true;
    changed.notify_all();
  }

  WatchedFiles files;
  const double stall_timeout_seconds;
  const Action action;

  std::mutex mutex;  // guards the members below
  std::condition_variable changed;
  std::exception_ptr failure;
  bool has_ended = false;
};

WatchedTask::WatchedTask(FileSystem& files, double stall_timeout_seconds, Action action)
    : shared_(std::make_shared<Shared>(files, stall_timeout_seconds, std::move(action))) {
  try {
    thread_ = std::thread([shared = shared_] { shared->run(); });
  } catch (const std::system_error&) {  // cannot start a thread
    shared_->run();
  }
}

WatchedTask::~WatchedTask() {
  try {
    finish();
  } catch (...) {
  }
}

bool WatchedTask::is_running() const {
  if (shared_ == nullptr) return false;
  const std::lock_guard lock(shared_->mutex);
  return !shared_->has_ended && !shared_->is_stalled();
}

void WatchedTask::finish() {
  const auto shared = std::exchange(shared_, nullptr);
  if (shared == nullptr) return;
  {
    constexpr auto kPollInterval = std::chrono::milliseconds(50);
    std::unique_lock lock(shared->mutex);
    while (!shared->changed.wait_for(lock, kPollInterval, [&] { return shared->has_ended; })) {
      if (!shared->is_stalled()) continue;
      shared->files.abandon();  // the thread's next operation fails
      thread_.detach();
      throw StorageError(
          fmt::format("{}: storage has not responded for {} s; check its server or disk, or choose "
                      "another directory",
                      shared->files.path(), shared->stall_timeout_seconds));
    }
  }
  if (thread_.joinable()) thread_.join();
  if (shared->failure) std::rethrow_exception(shared->failure);
}

}  // namespace ripieno::io
