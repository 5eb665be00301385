#include "ripieno/io/files/durable_directories.h"

#include <vector>

#include "ripieno/core/error.h"

namespace ripieno::io {

void make_durable_directories(FileSystem& files, const std::string& path) {
  std::vector<std::string> parents;  // of the missing directories
  for (std::string at = path; !files.exists(at) && parent_of(at) != at; at = parent_of(at))
    parents.push_back(parent_of(at));
  files.make_directories(path);
  for (const std::string& parent : parents) {
    try {
      files.sync_directory(parent);
    } catch (const StorageError&) {  // syncing opens it for reading; it may be write-only
    }
  }
}

}  // namespace ripieno::io
