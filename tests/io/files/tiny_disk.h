// TinyDisk: mounts a small tmpfs, for tests that fill a disk.
#pragma once

#include <sys/mount.h>

#include <string>

#include "io/files/temporary_directory.h"

namespace ripieno::io {

class TinyDisk {
 public:
  explicit TinyDisk(const std::string& size)
      : is_mounted_(::mount("tmpfs", directory_.path().c_str(), "tmpfs", 0,
                            ("size=" + size).c_str()) == 0) {}
  ~TinyDisk() {
    if (is_mounted_) ::umount2(directory_.path().c_str(), MNT_DETACH);
  }
  TinyDisk(const TinyDisk&) = delete;
  TinyDisk& operator=(const TinyDisk&) = delete;

  // False unless the test runs as root.
  bool is_mounted() const { return is_mounted_; }
  std::string operator/(const std::string& name) const { return directory_ / name; }

 private:
  TemporaryDirectory directory_;
  bool is_mounted_;
};

}  // namespace ripieno::io
