#include "ripieno/tools/convert/write_output.h"

#include <fmt/format.h>

#include "ripieno/core/error.h"
#include "ripieno/io/files/write_aside.h"
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

// `path`, or `path`_2, … where something stands there, whoever left it.
std::string unused(const io::FileSystem& files, const std::string& path) {
  std::string name = path;
  for (int i = 2; files.exists(name); ++i) name = fmt::format("{}_{}", path, i);
  return name;
}

// After a failure between the two renames.
void put_back(io::FileSystem& files, const std::string& path, const std::string& replaced) {
  if (files.exists(path) || !files.exists(replaced)) return;
  try {
    files.rename(replaced, path);
  } catch (const StorageError& error) {
    throw StorageError(
        fmt::format("{}; what was {} lies in {}, whole", error.what(), path, replaced));
  }
}

// A directory cannot be renamed onto one that holds something.
void replace_directory(io::FileSystem& files, const std::string& path, const std::string& aside,
                       const std::function<void(const std::string&)>& write) {
  const std::string replaced = unused(files, path + ".replaced");
  try {
    io::write_aside(files, path, aside, [&] {
      write(aside);
      files.rename(path, replaced);
    });
  } catch (const StorageError&) {
    put_back(files, path, replaced);
    throw;
  }
  files.remove_all(replaced);
}

}  // namespace

void write_output(io::FileSystem& files, const std::string& path, bool force,
                  const std::function<void(const std::string& aside)>& write) {
  const bool exists = files.exists(path);
  if (exists && !force) throw UsageError(path + " exists; --force replaces it");
  const bool is_directory = exists && is_directory_at(files, path);
  if (is_directory) require_ours(files, path);
  const std::string aside = unused(files, path + ".partial");
  if (is_directory) return replace_directory(files, path, aside, write);
  io::write_aside(files, path, aside, [&] { write(aside); });
}

}  // namespace ripieno::tools
