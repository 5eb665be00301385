#include "ripieno/io/files/replace_file.h"

#include "ripieno/core/error.h"

namespace ripieno::io {
namespace {

void write_synced(FileSystem& files, const std::string& path,
                  const std::vector<std::span<const std::byte>>& parts) {
  const auto file = files.create(path);
  for (const auto part : parts) file->append(part);
  file->sync();
}

void remove_quietly(FileSystem& files, const std::string& path) {
  try {
    files.remove_all(path);
  } catch (const StorageError&) {
    // The failure that led here is the one to tell; the next attempt replaces what is left.
  }
}

}  // namespace

void replace_file(FileSystem& files, const std::string& path,
                  const std::vector<std::span<const std::byte>>& parts) {
  const std::string aside = path + ".partial";
  try {
    write_synced(files, aside, parts);
    files.rename(aside, path);
  } catch (const StorageError&) {
    remove_quietly(files, aside);
    throw;
  }
  files.sync_directory(parent_of(path));
}

void replace_file(FileSystem& files, const std::string& path, std::string_view text) {
  replace_file(files, path, {std::as_bytes(std::span(text))});
}

}  // namespace ripieno::io
