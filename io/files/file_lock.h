// Exclusive file locks (flock), for files that one process at a time may hold.
#pragma once

#include <string>

namespace ripieno::io {

enum class FileLock {
  held,   // acquired; released when the descriptor is closed
  busy,   // held through another open file
  absent  // the file system does not support locks; errno has the reason
};

// Tries to lock the open descriptor `file` exclusively. Does not block.
FileLock try_lock(int file);

// Empty if the file system of the existing file `path` supports locks, otherwise the system's error
// message. Does not disturb a lock that is held through another open file.
std::string reason_for_missing_locks(const std::string& path);

// Holds the lock of an existing file or directory while it exists, if it could be acquired.
class PathLock {
 public:
  explicit PathLock(const std::string& path);
  ~PathLock();
  PathLock(const PathLock&) = delete;
  PathLock& operator=(const PathLock&) = delete;

  // `absent` also if the path cannot be opened.
  FileLock state() const { return state_; }

 private:
  int file_;
  FileLock state_;
};

}  // namespace ripieno::io
