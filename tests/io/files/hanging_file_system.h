// HangingFileSystem: simulates a network file system whose server does not respond: creating
// certain files blocks until released.
#pragma once

#include <deque>
#include <latch>
#include <memory>
#include <string>

#include "io/files/crashing_file_system.h"

namespace ripieno::io {

class HangingFileSystem final : public CrashingFileSystem {
 public:
  // A file system that is never destroyed, because a thread detached by the test may outlive the
  // test.
  static HangingFileSystem& immortal() {
    static auto& all = *new std::deque<HangingFileSystem>;
    return all.emplace_back();
  }

  std::unique_ptr<WritableFile> create(const std::string& path) override {
    if (!hanging.empty() && path.ends_with(hanging)) released.wait();
    return CrashingFileSystem::create(path);
  }

  std::latch released{1};
  std::string hanging;  // creating a file whose path ends with this blocks; empty: none
};

}  // namespace ripieno::io
