// What storage refused, as one line: operation, path, reason, and what to do. Not installed.
#pragma once

#include <cstdint>
#include <string>

namespace ripieno::io {

// Throws StorageError. `needed_bytes`, where known, is what the file would have taken in all.
[[noreturn]] void refuse(const char* operation, const std::string& path, int error,
                         int64_t needed_bytes = 0);

// Of a system call that has just set errno.
void require(bool succeeded, const char* operation, const std::string& path);

}  // namespace ripieno::io
