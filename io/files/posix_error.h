// What storage refused, as one line: operation, path, reason, and what to do. Not installed.
#pragma once

#include <sys/statvfs.h>

#include <cstdint>
#include <string>

namespace ripieno::io {

// Throws StorageError. `needed_bytes`, where known, is what the file would have taken in all.
[[noreturn]] void refuse(const char* operation, const std::string& path, int error,
                         int64_t needed_bytes = 0);

// Whether a file system counts its space at all: ramfs, some of FUSE and a tmpfs without a limit
// have zero blocks, of which none is free.
bool counts_blocks(const struct statvfs& space);

// Of a system call that has just set errno.
void require(bool succeeded, const char* operation, const std::string& path);

}  // namespace ripieno::io
