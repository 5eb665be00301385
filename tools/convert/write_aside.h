// write_aside(): a file or a directory of files that is there whole or not at all.
#pragma once

#include <functional>
#include <string>

#include "ripieno/io/files/file_system.h"

namespace ripieno::tools {

// `write` writes, and syncs, a file or a directory of files at the path that it is given; then that
// takes the name `path`. Throws UsageError, before anything is written, where `path` exists and
// `force` is not given, or is a directory with files that no conversion writes. Where anything
// throws, what was written aside is removed. Two renames replace a directory: a power cut between
// them leaves the old one as `path`.replaced.
void write_aside(io::FileSystem& files, const std::string& path, bool force,
                 const std::function<void(const std::string& aside)>& write);

}  // namespace ripieno::tools
