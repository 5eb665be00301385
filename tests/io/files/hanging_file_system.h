// HangingFileSystem: as of a network whose server has gone: some operations do not return until
// they are released.
#pragma once

#include <deque>
#include <latch>
#include <memory>
#include <string>

#include "io/files/crashing_file_system.h"

namespace ripieno::io {

class HangingFileSystem final : public CrashingFileSystem {
 public:
  // One that is never destroyed, since threads that a test left behind may outlive it.
  static HangingFileSystem& immortal() {
    static auto& all = *new std::deque<HangingFileSystem>;
    return all.emplace_back();
  }

  std::unique_ptr<WritableFile> create(const std::string& path) override {
    if (!hanging.empty() && path.ends_with(hanging)) released.wait();
    return CrashingFileSystem::create(path);
  }

  std::latch released{1};
  std::string hanging;  // how the path of a file ends that cannot be created
};

}  // namespace ripieno::io
