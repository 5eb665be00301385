// Loads parameters and buffers from a safetensors file, the format of Hugging Face. Such a file has
// no checksums: damaged data is read as wrong numbers.
#pragma once

#include <string>

#include "ripieno/io/checkpoint/load_options.h"
#include "ripieno/io/checkpoint/state.h"
#include "ripieno/io/files/file_system.h"

namespace ripieno::io {

// Loads `wanted` in place, converting between floating-point types. Each rank calls it for itself.
// Throws ConfigurationError, listing all differences, if names, shapes or types do not match
// (`wanted` is then unchanged); StorageError or DataError if the file cannot be read.
LoadReport load_foreign_safetensors(const FileSystem& files, const std::string& path,
                                    const State& wanted, const LoadOptions& options = {});

}  // namespace ripieno::io
