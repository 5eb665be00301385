// replace_file(): atomically replaces a small file: after a failure or a power cut it has either
// its old or its new content.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ripieno/io/files/file_system.h"

namespace ripieno::io {

// Writes the concatenation of `parts` to a temporary file beside `path`, syncs it, renames it to
// `path` and syncs the directory; of a symbolic link, the file that it leads to is replaced.
// Durable once it returns. On failure removes the temporary file and throws StorageError.
void replace_file(FileSystem& files, const std::string& path,
                  const std::vector<std::span<const std::byte>>& parts);
void replace_file(FileSystem& files, const std::string& path, std::string_view text);

}  // namespace ripieno::io
