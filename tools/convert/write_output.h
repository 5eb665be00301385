// write_output(): what a conversion writes, a file or a directory of files, is there whole or not
// at all, and nothing else is lost for it.
#pragma once

#include <functional>
#include <string>

#include "ripieno/io/files/file_system.h"

namespace ripieno::tools {

// `write` writes, and syncs, a file or a directory of files at the path that it is given, at which
// nothing stood; then that takes the name `path`. Throws UsageError, before anything is written,
// where `path` exists and `force` is not given, or is a directory with files that no conversion
// writes. Where anything throws, what was written is removed, and `path` is as it was. Two renames
// replace a directory: a power cut between them leaves the old one as `path`.replaced.
void write_output(io::FileSystem& files, const std::string& path, bool force,
                  const std::function<void(const std::string& aside)>& write);

}  // namespace ripieno::tools
