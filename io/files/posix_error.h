// Errors of system calls as StorageError with one line: operation, path, reason, remedy. Not
// installed.
#pragma once

#include <sys/statvfs.h>

#include <cstdint>
#include <string>

namespace ripieno::io {

// Throws StorageError for the errno value `error`. `operation` is a verb ("write"); `needed_bytes`
// is the size of the whole file, 0 if unknown.
[[noreturn]] void refuse(const char* operation, const std::string& path, int error,
                         int64_t needed_bytes = 0);

// Whether a file system reports its size: ramfs, some FUSE file systems and a tmpfs without a limit
// report zero blocks, none of them free.
bool counts_blocks(const struct statvfs& space);

// Throws as refuse() with the current errno if a system call did not succeed.
void require(bool succeeded, const char* operation, const std::string& path);

}  // namespace ripieno::io
