// make_durable_directories(): creates directories that survive a power cut. Not installed.
#pragma once

#include <string>

#include "ripieno/io/files/file_system.h"

namespace ripieno::io {

// FileSystem::make_directories(), then syncs the parents of the directories it created, so that
// they survive a power cut. Parents that cannot be opened for reading are not synced. Throws
// StorageError.
void make_durable_directories(FileSystem& files, const std::string& path);

}  // namespace ripieno::io
