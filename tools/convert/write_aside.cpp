#include "ripieno/tools/convert/write_aside.h"

#include <fmt/format.h>

#include "ripieno/core/error.h"
#include "ripieno/training/session/exit_status.h"

namespace ripieno::tools {
namespace {

// --force must not cost anybody a directory that something else lives in.
void require_ours(const io::FileSystem& files, const std::string& directory) {
  for (const std::string& name : files.names_in(directory)) {
    if (!name.ends_with(".safetensors") && !name.ends_with(".json") && !name.ends_with(".npy"))
      throw UsageError(fmt::format("{} holds {}, which no conversion writes; choose another name",
                                   directory, name));
  }
}

bool is_directory_at(const io::FileSystem& files, const std::string& path) {
  try {
    files.names_in(path);
    return true;
  } catch (const StorageError&) {  // a file
    return false;
  }
}

void remove_quietly(io::FileSystem& files, const std::string& path) {
  try {
    files.remove_all(path);
  } catch (const StorageError&) {
    // The failure that led here is the one to tell; the next attempt removes what is left.
  }
}

// A directory cannot be renamed onto one that holds something.
void take_the_place_of(io::FileSystem& files, const std::string& path, const std::string& aside) {
  const std::string replaced = path + ".replaced";
  files.remove_all(replaced);
  files.rename(path, replaced);
  files.rename(aside, path);
  files.sync_directory(io::parent_of(path));
  files.remove_all(replaced);
}

}  // namespace

void write_aside(io::FileSystem& files, const std::string& path, bool force,
                 const std::function<void(const std::string& aside)>& write) {
  const bool exists = files.exists(path);
  if (exists && !force) throw UsageError(path + " exists; --force replaces it");
  const bool is_directory = exists && is_directory_at(files, path);
  if (is_directory) require_ours(files, path);
  const std::string aside = path + ".partial";
  try {
    files.remove_all(aside);
    write(aside);
    if (is_directory)
      take_the_place_of(files, path, aside);
    else
      files.rename(aside, path);
  } catch (...) {
    remove_quietly(files, aside);
    throw;
  }
  files.sync_directory(io::parent_of(path));
}

}  // namespace ripieno::tools
