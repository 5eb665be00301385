// replace_file(): a file that is whole or as it was before, whatever happens, for what io writes in
// one piece.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ripieno/io/files/file_system.h"

namespace ripieno::io {

// Written aside as `path`.partial, synced, renamed, and the directory synced. Throws StorageError;
// what was written aside is removed then.
void replace_file(FileSystem& files, const std::string& path,
                  const std::vector<std::span<const std::byte>>& parts);
void replace_file(FileSystem& files, const std::string& path, std::string_view text);

}  // namespace ripieno::io
