#include "ripieno/training/run/run_log.h"

#include <gmock/gmock.h>

#include <filesystem>

#include "io/files/temporary_directory.h"

namespace ripieno {
namespace {

// The number of descriptors of this process for a file.
int64_t times_open(const std::string& path) {
  int64_t count = 0;
  for (const auto& link : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code ignored;
    count += std::filesystem::read_symlink(link, ignored) == std::filesystem::canonical(path);
  }
  return count;
}

// A thread that is blocked in a sync is abandoned.
TEST(RunLog, CanBeDestroyedWhileItsLinesAreSynced) {
  const io::TemporaryDirectory directory;
  const io::RunPaths paths{directory.path()};
  auto log = std::make_unique<RunLog>(paths, 0, /*writes=*/true, nullptr, nullptr);
  auto sync = log->syncing();
  log.reset();
  EXPECT_EQ(times_open(paths.metrics()), 1);
  sync();
  sync = {};
  EXPECT_EQ(times_open(paths.metrics()), 0);
}

}  // namespace
}  // namespace ripieno
