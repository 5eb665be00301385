// WatchedTask: an action on files in a thread of its own, for a caller that does not wait for ever.
// Not installed.
//
// Where storage leaves an operation unanswered for longer than `stall_timeout_seconds`, the task has
// failed, and its thread is left behind: what `action` uses must be its own, or outlive the
// process. Where no thread can be had, the constructor calls `action` and nothing bounds it.
#pragma once

#include <functional>
#include <memory>
#include <thread>

#include "ripieno/io/files/file_system.h"

namespace ripieno::io {

class WatchedTask {
 public:
  using Action = std::function<void(FileSystem&)>;

  // `files` outlives the thread, too. All that `action` does with storage must go through the files
  // that it is given.
  WatchedTask(FileSystem& files, double stall_timeout_seconds, Action action);
  // As finish(), without a word.
  ~WatchedTask();
  WatchedTask(const WatchedTask&) = delete;
  WatchedTask& operator=(const WatchedTask&) = delete;

  // False also once storage has been silent for too long.
  bool is_running() const;
  // Waits, and throws what `action` threw; StorageError where the thread was left behind. To be
  // called once.
  void finish();

 private:
  struct Shared;

  std::shared_ptr<Shared> shared_;  // with the thread; null once it was told how the task ended
  std::thread thread_;
};

}  // namespace ripieno::io
