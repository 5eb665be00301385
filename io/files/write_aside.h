// write_aside(): writes a file or directory under a temporary name and renames it, so that after a
// failure or a power cut it is either complete or unchanged.
#pragma once

#include <functional>
#include <string>

#include "ripieno/io/files/file_system.h"

namespace ripieno::io {

// The file that a write to `path` changes: what a symbolic link in local files leads to, also if
// that does not exist yet; otherwise `path`.
std::string link_target(const FileSystem& files, const std::string& path);
// A temporary name beside `path` that nobody else uses: `path`.XXXXXXXX.partial, with random
// hexadecimal digits.
std::string aside_of(const std::string& path);

// Calls `write`, which must create and sync a file or directory at `aside`; renames it to `path`
// and syncs the directory. If `write` or the rename throws, removes `aside`, leaves `path`
// unchanged and rethrows.
void write_aside(FileSystem& files, const std::string& path, const std::string& aside,
                 const std::function<void()>& write);
// The same for link_target(path), with the aside_of() it as the temporary name, which is passed to
// `write`: processes that write the same file at once do not disturb each other, the last one wins.
void write_aside(FileSystem& files, const std::string& path,
                 const std::function<void(const std::string& aside)>& write);

// Removes the temporary files of `path` that killed processes left. Only for a file that no other
// process may be writing, and that is written again and again. Never throws.
void remove_leftovers(FileSystem& files, const std::string& path) noexcept;

}  // namespace ripieno::io
