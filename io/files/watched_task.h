// WatchedTask: runs an action on files in a background thread and stops waiting for it if storage
// does not respond. Not installed.
//
// If a single storage operation takes longer than `stall_timeout_seconds`, the task fails and its
// thread is detached, because a blocked system call cannot be interrupted. So `action` must own
// what it uses, or use what lives as long as the process. If no thread can be started, the
// constructor runs `action` itself, without a time limit.
#pragma once

#include <functional>
#include <memory>
#include <thread>

#include "ripieno/io/files/file_system.h"

namespace ripieno::io {

class WatchedTask {
 public:
  using Action = std::function<void(FileSystem&)>;

  // `files` must outlive the thread, even a detached one. `action` must access storage only through
  // the FileSystem passed to it.
  WatchedTask(FileSystem& files, double stall_timeout_seconds, Action action);
  // Calls finish() and ignores errors.
  ~WatchedTask();
  WatchedTask(const WatchedTask&) = delete;
  WatchedTask& operator=(const WatchedTask&) = delete;

  // False once the action has ended or storage has not responded for too long.
  bool is_running() const;
  // Blocks until the action ends and rethrows its exception. Throws StorageError if storage does
  // not respond and the thread was detached. Later calls do nothing.
  void finish();

 private:
  struct Shared;

  std::shared_ptr<Shared> shared_;  // also owned by the thread; null after finish()
  std::thread thread_;
};

}  // namespace ripieno::io
