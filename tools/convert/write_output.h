// write_output(): writes a file or a directory of files so that it appears complete or not at all,
// and nothing else is lost.
#pragma once

#include <functional>
#include <string>

#include "ripieno/io/files/file_system.h"

namespace ripieno::tools {

// Calls `write` with a temporary path that does not exist. `write` creates a file or a directory of
// files there and syncs it; then it is renamed to `path`. Throws UsageError, before anything is
// written, if `path` exists and `force` is false, or is a directory with files that no conversion
// writes. If anything throws, what was written is removed and `path` is unchanged. Replacing a
// directory takes two renames: a power cut between them leaves the old one as `path`.replaced.
void write_output(io::FileSystem& files, const std::string& path, bool force,
                  const std::function<void(const std::string& temporary)>& write);

}  // namespace ripieno::tools
