#include "ripieno/tools/convert/write_output.h"

#include <fmt/format.h>

#include "ripieno/core/error.h"
#include "ripieno/io/files/write_aside.h"
#include "ripieno/training/session/exit_status.h"

namespace ripieno::tools {
namespace {

// --force must not delete a directory that contains anything but an earlier output.
void require_ours(const io::FileSystem& files, const std::string& directory) {
  for (const std::string& name : files.names_in(directory)) {
    if (!name.ends_with(".safetensors") && !name.ends_with(".json") && !name.ends_with(".npy"))
      throw UsageError(
          fmt::format("{} contains {}, which is not an output of convert; choose another name",
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

// The first of `path`, `path`_2, `path`_3, ... that does not exist.
std::string unused_path(const io::FileSystem& files, const std::string& path) {
  std::string name = path;
  for (int i = 2; files.exists(name); ++i) name = fmt::format("{}_{}", path, i);
  return name;
}

// Undoes the first of the two renames after a failure before the second.
void restore(io::FileSystem& files, const std::string& path, const std::string& replaced) {
  if (files.exists(path) || !files.exists(replaced)) return;
  try {
    files.rename(replaced, path);
  } catch (const StorageError& error) {
    throw StorageError(
        fmt::format("{}; the previous {} is intact at {}", error.what(), path, replaced));
  }
}

// In two renames, because a directory cannot be renamed onto one that is not empty.
void replace_directory(io::FileSystem& files, const std::string& path, const std::string& temporary,
                       const std::function<void(const std::string&)>& write) {
  const std::string replaced = unused_path(files, path + ".replaced");
  try {
    io::write_aside(files, path, temporary, [&] {
      write(temporary);
      files.rename(path, replaced);
    });
  } catch (const StorageError&) {
    restore(files, path, replaced);
    throw;
  }
  files.remove_all(replaced);
}

}  // namespace

void write_output(io::FileSystem& files, const std::string& path, bool force,
                  const std::function<void(const std::string& temporary)>& write) {
  const bool exists = files.exists(path);
  if (exists && !force) throw UsageError(path + " exists; use --force to overwrite it");
  const bool is_directory = exists && is_directory_at(files, path);
  if (is_directory) require_ours(files, path);
  const std::string target = io::link_target(files, path), temporary = io::aside_of(target);
  if (is_directory) return replace_directory(files, target, temporary, write);
  io::write_aside(files, target, temporary, [&] { write(temporary); });
}

}  // namespace ripieno::tools
