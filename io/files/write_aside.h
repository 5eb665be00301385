// write_aside(): writes a file or directory under a temporary name and renames it, so that after a
// failure or a power cut it is either complete or unchanged.
#pragma once

#include <functional>
#include <string>

#include "ripieno/io/files/file_system.h"

namespace ripieno::io {

// Calls `write`, which must create and sync a file or directory at `aside`; renames it to `path`
// and syncs the directory. If `write` or the rename throws, removes `aside`, leaves `path`
// unchanged and rethrows.
void write_aside(FileSystem& files, const std::string& path, const std::string& aside,
                 const std::function<void()>& write);
// The same with `path`.partial as the temporary name, which is passed to `write`.
void write_aside(FileSystem& files, const std::string& path,
                 const std::function<void(const std::string& aside)>& write);

}  // namespace ripieno::io
