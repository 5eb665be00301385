#include "ripieno/io/files/watched_task.h"

#include <gmock/gmock.h>

#include "io/files/hanging_file_system.h"
#include "io/files/no_threads.h"
#include "ripieno/core/error.h"

namespace ripieno::io {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

TEST(WatchedTask, RunsItsAction) {
  CrashingFileSystem files;
  WatchedTask task(files, 60, [](FileSystem& to) { write_file(to, "a", "text"); });
  task.finish();
  EXPECT_FALSE(task.is_running());
  EXPECT_EQ(read_file(files, "a"), "text");
}

TEST(WatchedTask, RethrowsTheExceptionOfItsAction) {
  CrashingFileSystem files;
  WatchedTask task(files, 60, [](FileSystem& to) { read_file(to, "missing"); });
  EXPECT_THAT([&] { task.finish(); }, ThrowsMessage<StorageError>("missing does not exist"));
}

TEST(WatchedTask, FailsIfStorageDoesNotRespondForTooLong) {
  auto& files = HangingFileSystem::immortal();
  files.hanging = "a";
  WatchedTask task(files, 0.2, [](FileSystem& to) { write_file(to, "a", "text"); });
  EXPECT_THAT([&] { task.finish(); },
              ThrowsMessage<StorageError>(HasSubstr("a: storage has not responded for 0.2 s")));
  files.released.count_down();
}

TEST(WatchedTask, DoesNotBlockItsDestructorIfStorageDoesNotRespond) {
  auto& files = HangingFileSystem::immortal();
  files.hanging = "a";
  {
    const WatchedTask task(files, 0.2, [](FileSystem& to) { write_file(to, "a", "text"); });
  }
  files.released.count_down();
}

// Exits the process, with status 0 if the file was written.
[[noreturn]] void write_without_threads() {
  if (!refuse_threads()) std::_Exit(0);
  CrashingFileSystem files;
  WatchedTask task(files, 60, [](FileSystem& to) { write_file(to, "a", "text"); });
  task.finish();
  std::_Exit(files.exists("a") ? 0 : 1);
}

TEST(WatchedTask, RunsInTheCallingThreadIfNoThreadCanBeStarted) {
  EXPECT_EXIT(write_without_threads(), testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace ripieno::io
