#include "ripieno/tools/launch/run_watch.h"

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "ripieno/tools/launch/process.h"
#include "ripieno/tools/launch/progress.h"

namespace ripieno::tools {
namespace {

constexpr std::chrono::milliseconds kInterval{300};

}  // namespace

// Shared with the thread, which may outlive the object while a read blocks.
struct RunWatch::State {
  std::mutex mutex;
  std::condition_variable changed;
  std::string folder;
  WatchedRun run;
  bool is_ended = false;
  int64_t requested = 0, completed = 0;  // passes
  uint64_t passes = 0;                   // only used by the thread

  void read_until_ended(const std::string& run_directory) {
    std::optional<RunProgress> progress;
    if (!run_directory.empty()) progress.emplace(run_directory);
    std::unique_lock lock(mutex);
    while (!is_ended) {
      const int64_t pass = requested;
      const std::string path = folder;
      WatchedRun read = run;
      lock.unlock();
      read_once(read, path, progress);
      lock.lock();
      if (path == folder) run = std::move(read);
      completed = pass;
      changed.notify_all();
      changed.wait_for(lock, kInterval, [&] { return is_ended || requested > completed; });
    }
  }

  void read_once(WatchedRun& read, const std::string& path, std::optional<RunProgress>& progress) {
    if (!path.empty()) {
      const AttemptFolder attempt(path);
      attempt.write_launcher_alive(++passes);  // blocks, as the hosts do, if storage stalls
      update(read.attempt, attempt);
    }
    if (progress) {
      progress->update();
      read.has_finished_a_step = progress->has_finished_a_step();
      read.newest_step = progress->newest_step();
      read.step_seconds = progress->step_seconds();
      read.save_seconds = progress->save_seconds();
    }
    read.read_at = monotonic_seconds();
  }
};

RunWatch::RunWatch(const std::string& run_directory) : state_(std::make_shared<State>()) {
  std::thread([state = state_, run_directory] { state->read_until_ended(run_directory); }).detach();
  refreshed(3);
}

RunWatch::~RunWatch() {
  const std::lock_guard lock(state_->mutex);
  state_->is_ended = true;
  state_->changed.notify_all();
}

void RunWatch::follow(const AttemptFolder& folder) {
  const std::lock_guard lock(state_->mutex);
  state_->folder = folder.path();
  state_->run.attempt = {};
}

WatchedRun RunWatch::now() const {
  const std::lock_guard lock(state_->mutex);
  return state_->run;
}

WatchedRun RunWatch::refreshed(double seconds) {
  std::unique_lock lock(state_->mutex);
  const int64_t pass = ++state_->requested;
  state_->changed.notify_all();
  state_->changed.wait_for(lock, std::chrono::duration<double>(seconds),
                           [&] { return state_->completed >= pass; });
  return state_->run;
}

}  // namespace ripieno::tools
