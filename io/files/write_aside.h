// write_aside(): a file or directory that is whole or as it was before, whatever happens.
#pragma once

#include <functional>
#include <string>

#include "ripieno/io/files/file_system.h"

namespace ripieno::io {

// `write` writes and syncs something at `aside`, which then takes the name `path`, and the
// directory is synced. Where anything throws, what is at `aside` is removed, and `path` is as it
// was.
void write_aside(FileSystem& files, const std::string& path, const std::string& aside,
                 const std::function<void()>& write);
// At `path`.partial.
void write_aside(FileSystem& files, const std::string& path,
                 const std::function<void(const std::string& aside)>& write);

}  // namespace ripieno::io
