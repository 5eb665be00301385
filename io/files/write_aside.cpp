#include "ripieno/io/files/write_aside.h"

#include "ripieno/core/error.h"

namespace ripieno::io {
namespace {

void remove_quietly(FileSystem& files, const std::string& path) {
  try {
    files.remove_all(path);
  } catch (const StorageError&) {
    // The caller rethrows the original failure.
  }
}

}  // namespace

void write_aside(FileSystem& files, const std::string& path, const std::string& aside,
                 const std::function<void()>& write) {
  try {
    write();
    files.rename(aside, path);
  } catch (...) {
    remove_quietly(files, aside);
    throw;
  }
  files.sync_directory(parent_of(path));
}

void write_aside(FileSystem& files, const std::string& path,
                 const std::function<void(const std::string& aside)>& write) {
  const std::string aside = path + ".partial";
  write_aside(files, path, aside, [&] { write(aside); });
}

}  // namespace ripieno::io
