#include "ripieno/io/run/run_directory.h"

#include <gmock/gmock.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "io/files/no_locks.h"
#include "io/files/temporary_directory.h"
#include "ripieno/core/error.h"
#include "ripieno/io/files/file_lock.h"
#include "ripieno/io/files/file_system.h"

namespace ripieno::io {
namespace {

using testing::HasSubstr;

class RunDirectoryTest : public testing::Test {
 protected:
  // The error that opening the run directory throws.
  std::string failure(double wait_seconds = 0) {
    try {
      RunDirectory directory(path_, wait_seconds);
    } catch (const ConfigurationError& error) {
      return error.what();
    }
    return "no error";
  }

  TemporaryDirectory parent_;
  std::string path_ = parent_ / "runs/first";
};

TEST_F(RunDirectoryTest, CreatesItsDirectories) {
  RunDirectory directory(path_);
  EXPECT_TRUE(std::filesystem::is_directory(directory.paths().checkpoints()));
  EXPECT_EQ(directory.paths().metrics(), path_ + "/metrics.jsonl");
}

TEST_F(RunDirectoryTest, RemovesWhatKilledWritersOfItsRecordLeft) {
  { RunDirectory first(path_); }
  write_file(local_files(), path_ + "/run.json.0123abcd.partial", "half of it");
  write_file(local_files(), path_ + "/report.html.0123abcd.partial", "written by another program");
  RunDirectory second(path_);
  EXPECT_FALSE(std::filesystem::exists(path_ + "/run.json.0123abcd.partial"));
  EXPECT_TRUE(std::filesystem::exists(path_ + "/report.html.0123abcd.partial"));
}

TEST_F(RunDirectoryTest, IsHeldByOneAtATime) {
  RunDirectory holder(path_);
  EXPECT_THAT(failure(), HasSubstr(path_ + " is in use by process " + std::to_string(::getpid())));
}

TEST_F(RunDirectoryTest, CanBeLockedAgainAfterItsHolderIsDestroyed) {
  { RunDirectory holder(path_); }
  EXPECT_NO_THROW(RunDirectory(path_, 0));
}

TEST_F(RunDirectoryTest, IsNotBlockedByAHolderThatWasKilled) {
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t holder = ::fork();
  if (holder == 0) {
    RunDirectory directory(path_);
    const bool is_ready = ::write(ready[1], "x", 1) == 1;
    while (is_ready) ::pause();
    ::_exit(1);
  }
  char byte;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  EXPECT_THAT(failure(), HasSubstr("in use by process " + std::to_string(holder)));
  ::kill(holder, SIGKILL);
  ::waitpid(holder, nullptr, 0);
  EXPECT_NO_THROW(RunDirectory(path_, 0));
}

TEST_F(RunDirectoryTest, WaitsForItsHolder) {
  auto holder = std::make_unique<RunDirectory>(path_);
  std::thread releasing([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    holder.reset();
  });
  EXPECT_EQ(failure(60), "no error");
  releasing.join();
}

TEST_F(RunDirectoryTest, IsUsedWithoutALockIfTheFileSystemHasNone) {
  for (const int error : {ENOLCK, ENOTSUP, EOPNOTSUPP, ENOSYS}) {
    flock_fails_with = error;
    EXPECT_EQ(failure(), "no error");
    EXPECT_EQ(reason_for_missing_locks(RunPaths{path_}.lock()), std::strerror(error));
    flock_fails_with = 0;
  }
}

TEST_F(RunDirectoryTest, KeepsItsLockWhenLockSupportIsTested) {
  RunDirectory holder(path_);
  EXPECT_EQ(reason_for_missing_locks(holder.paths().lock()), "");
  EXPECT_THAT(failure(), HasSubstr("is in use by process"));
}

TEST_F(RunDirectoryTest, IsRejectedIfItCannotBeCreated) {
  write_file(local_files(), parent_ / "runs", "a file in the way");
  EXPECT_THAT(failure(), HasSubstr("run directory " + path_ + " cannot be written"));
}

TEST_F(RunDirectoryTest, IsRejectedIfItsLockFileCannotBeOpened) {
  local_files().make_directories(path_ + "/.lock");
  EXPECT_THAT(failure(), HasSubstr("run directory " + path_ + " cannot be written"));
}

TEST_F(RunDirectoryTest, IsRejectedIfItIsReadOnly) {
  if (::geteuid() == 0) {
    path_ = "/proc/self";  // not writable even for root
    EXPECT_THAT(failure(), HasSubstr("run directory /proc/self cannot be written"));
    return;
  }
  std::filesystem::create_directories(path_ + "/checkpoints");
  std::filesystem::permissions(
      path_, std::filesystem::perms::owner_read | std::filesystem::perms::owner_exec);
  EXPECT_THAT(failure(), HasSubstr("run directory " + path_ + " cannot be written"));
}

class Record : public testing::Test {
 protected:
  TemporaryDirectory directory_;
  RunPaths paths_{directory_.path()};
};

TEST_F(Record, HasAnEntryForEachStart) {
  EXPECT_EQ(read_record(paths_), nlohmann::json::parse(R"({"starts": []})"));
  append_start(local_files(), paths_, {{"seed", 1}});
  append_start(local_files(), paths_, {{"seed", 2}});
  EXPECT_EQ(read_record(paths_),
            nlohmann::json::parse(R"({"starts": [{"seed": 1}, {"seed": 2}]})"));
}

TEST_F(Record, IsNotOverwrittenIfItIsDamaged) {
  write_file(local_files(), paths_.record(), "{\"starts\": [");
  EXPECT_THROW(append_start(local_files(), paths_, {{"seed", 1}}), DataError);
  EXPECT_EQ(read_file(local_files(), paths_.record()), "{\"starts\": [");
}

TEST_F(Record, OfAnotherVersionIsRefused) {
  std::filesystem::create_directories(paths_.directory);
  write_file(local_files(), paths_.record(), R"({"version": 99, "starts": []})");
  EXPECT_THAT([&] { read_record(paths_); },
              testing::ThrowsMessage<DataError>(HasSubstr("version 99, but version 1")));
  write_file(local_files(), paths_.record(), R"({"version": 1, "starts": []})");
  EXPECT_NO_THROW(read_record(paths_));
}

TEST_F(Record, IsNotOverwrittenIfItCannotBeRead) {
  std::filesystem::create_symlink("run.json", paths_.record());  // to itself
  EXPECT_THROW(append_start(local_files(), paths_, {{"seed", 1}}), StorageError);
  EXPECT_TRUE(std::filesystem::is_symlink(paths_.record()));
}

TEST_F(Record, AcceptsTextThatIsNotUtf8) {
  append_start(local_files(), paths_, {{"command", "abc\xe9"}});
  EXPECT_EQ(read_record(paths_)["starts"].size(), 1u);
}

}  // namespace
}  // namespace ripieno::io
