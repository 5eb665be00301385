// make_durable_directories(): new directories that a power cut does not take away. Not installed.
#pragma once

#include <string>

#include "ripieno/io/files/file_system.h"

namespace ripieno::io {

// As FileSystem::make_directories(); once it returns, those that it made would survive a power cut.
void make_durable_directories(FileSystem& files, const std::string& path);

}  // namespace ripieno::io
