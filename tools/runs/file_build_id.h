// The GNU build id in the file of a program.
#pragma once

#include <string>

#include "ripieno/io/files/file_system.h"

namespace ripieno::tools::runs {

// Hexadecimal digits; empty if the file is not an ELF file of 64 bits or has no build id.
// Throws StorageError.
std::string file_build_id(const io::FileSystem& files, const std::string& path);

}  // namespace ripieno::tools::runs
