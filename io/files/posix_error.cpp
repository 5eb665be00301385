#include "ripieno/io/files/posix_error.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <string_view>

#include "ripieno/core/error.h"
#include "ripieno/io/files/file_system.h"

namespace ripieno::io {
namespace {

std::string readable(double bytes) {
  const bool is_large = bytes >= 1 << 30;
  return fmt::format("{:.1f} {}", bytes / (is_large ? 1 << 30 : 1 << 20), is_large ? "GiB" : "MiB");
}

std::string remedy_for_space(int error, const std::string& path, int64_t needed_bytes) {
  const std::string needed =
      needed_bytes > 0 ? readable(static_cast<double>(needed_bytes)) + " needed" : "none left";
  struct statvfs space;
  if (error == EDQUOT) return "; delete files to get below your quota: " + needed;
  if (::statvfs(parent_of(path).c_str(), &space) != 0 || !counts_blocks(space))
    return "; free some space: " + needed;
  if (space.f_files > 0 && space.f_favail == 0)
    return "; delete some files: there is free space, but the file system has no inodes left";
  const double free = static_cast<double>(space.f_bavail) * static_cast<double>(space.f_frsize);
  return fmt::format("; free some space: {}, {} free", needed, readable(free));
}

bool only_reads(std::string_view operation) {
  return operation == "open" || operation == "read" || operation == "list" || operation == "stat";
}

std::string remedy(int error, std::string_view operation, const std::string& path,
                   int64_t needed_bytes) {
  if (error == ENOSPC || error == EDQUOT) return remedy_for_space(error, path, needed_bytes);
  if (only_reads(operation)) {
    if (error == EACCES || error == EPERM)
      return "; make it and the directories above it readable, or run this as another user";
    return error == EIO ? "; check the system log for disk errors" : "";
  }
  if (error == EACCES || error == EPERM || error == EROFS)
    return "; make it writable, or choose another directory";
  if (error == EIO) return "; check the system log for disk errors, or choose another directory";
  return "";
}

}  // namespace

bool counts_blocks(const struct statvfs& space) { return space.f_blocks > 0; }

void refuse(const char* operation, const std::string& path, int error, int64_t needed_bytes) {
  throw StorageError(fmt::format("cannot {} {}: {}{}", operation, path, std::strerror(error),
                                 remedy(error, operation, path, needed_bytes)));
}

void require(bool succeeded, const char* operation, const std::string& path) {
  if (!succeeded) refuse(operation, path, errno);
}

}  // namespace ripieno::io
