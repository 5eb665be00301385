// flock() by what came of it, for files that one process holds at a time.
#pragma once

#include <string>

namespace ripieno::io {

enum class FileLock {
  held,   // by this open file, until it is closed
  busy,   // another holds it
  absent  // the file system has no locks; errno says in what way
};

// Without waiting.
FileLock try_lock(int file);

// Empty where the file system of the file at `path` has locks; else the reason that the system
// gives. A lock that another open file has stays as it is.
std::string reason_for_missing_locks(const std::string& path);

}  // namespace ripieno::io
