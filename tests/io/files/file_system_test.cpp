#include "ripieno/io/files/file_system.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <cerrno>
#include <filesystem>

#include "io/files/crashing_file_system.h"
#include "io/files/temporary_directory.h"
#include "io/files/tiny_disk.h"
#include "ripieno/core/error.h"
#include "ripieno/io/files/durable_directories.h"
#include "ripieno/io/files/posix_error.h"

namespace ripieno::io {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::ThrowsMessage;

void append(WritableFile& file, const std::string& text) {
  file.append(std::as_bytes(std::span(text)));
}

// The message for this error of a system call.
std::string message_of(const char* operation, int error) {
  try {
    refuse(operation, "/run/file", error);
  } catch (const StorageError& refused) {
    return refused.what();
  }
}

TEST(PosixError, AsksForThePermissionThatTheOperationRequires) {
  for (const char* operation : {"open", "read", "list", "stat"}) {
    EXPECT_THAT(message_of(operation, EACCES), HasSubstr("readable")) << operation;
    EXPECT_THAT(message_of(operation, EACCES), Not(HasSubstr("writable"))) << operation;
  }
  EXPECT_THAT(message_of("write", EACCES), HasSubstr("writable"));
  EXPECT_THAT(message_of("create", EROFS), HasSubstr("writable"));
  EXPECT_EQ(message_of("open", ENOENT), "cannot open /run/file: No such file or directory");
}

// Properties of every FileSystem, including the one that other tests crash.
class EachFileSystem : public testing::TestWithParam<bool> {
 protected:
  FileSystem& files() { return GetParam() ? local_files() : crashing_; }
  std::string at(const std::string& name) { return GetParam() ? directory_ / name : name; }

 private:
  TemporaryDirectory directory_;
  CrashingFileSystem crashing_;
};

TEST_P(EachFileSystem, ReadsWhatWasWritten) {
  write_file(files(), at("a"), "what was written");
  EXPECT_EQ(read_file(files(), at("a")), "what was written");
}

TEST_P(EachFileSystem, KeepsAReplacedFileReadableForItsOpenReaders) {
  write_file(files(), at("a"), "old");
  const auto reader = files().open(at("a"));
  write_file(files(), at("a"), "new");
  std::string text(3, ' ');
  reader->read(0, std::as_writable_bytes(std::span(text)));
  EXPECT_EQ(text, "old");
  EXPECT_EQ(read_file(files(), at("a")), "new");
}

TEST_P(EachFileSystem, ThrowsOnAReadPastTheEnd) {
  write_file(files(), at("a"), "12345");
  std::string text(4, ' ');
  EXPECT_THROW(files().open(at("a"))->read(2, std::as_writable_bytes(std::span(text))), DataError);
}

TEST(Directories, SurviveAPowerCutOnceTheyAreDurable) {
  CrashingFileSystem files;
  files.make_directories("projects");
  files.sync_directory(".");
  make_durable_directories(files, "projects/runs/gpt/checkpoints");
  files.restart(CrashingFileSystem::Survives::what_was_synced);
  EXPECT_TRUE(files.exists("projects/runs/gpt/checkpoints"));
}

TEST_P(EachFileSystem, ListsNamesInOrder) {
  files().make_directories(at("d/b"));
  write_file(files(), at("d/c"), "");
  write_file(files(), at("d/a"), "");
  EXPECT_THAT(files().names_in(at("d")), ElementsAre("a", "b", "c"));
}

TEST_P(EachFileSystem, RenamesADirectoryWithItsContent) {
  files().make_directories(at("d"));
  write_file(files(), at("d/a"), "inside");
  files().rename(at("d"), at("e"));
  EXPECT_FALSE(files().exists(at("d")));
  EXPECT_EQ(read_file(files(), at("e/a")), "inside");
}

TEST_P(EachFileSystem, DoesNotRenameOverANonEmptyDirectory) {
  files().make_directories(at("d"));
  files().make_directories(at("e"));
  write_file(files(), at("e/a"), "kept");
  EXPECT_THROW(files().rename(at("d"), at("e")), StorageError);
  EXPECT_EQ(read_file(files(), at("e/a")), "kept");
}

TEST(LocalFiles, DoNotReplaceAPipeByAFile) {
  const TemporaryDirectory directory;
  const std::string pipe = directory / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  write_file(local_files(), directory / "new", "text");
  EXPECT_THROW(local_files().rename(directory / "new", pipe), StorageError);
  EXPECT_TRUE(std::filesystem::is_fifo(pipe));
}

TEST_P(EachFileSystem, RemovesADirectoryRecursively) {
  files().make_directories(at("d/e"));
  write_file(files(), at("d/e/a"), "");
  files().remove_all(at("d"));
  EXPECT_FALSE(files().exists(at("d")));
  files().remove_all(at("d"));  // no error if it does not exist
}

TEST_P(EachFileSystem, NamesTheMissingFileInTheError) {
  EXPECT_THAT([&] { files().open(at("missing")); },
              ThrowsMessage<StorageError>(HasSubstr(at("missing"))));
}

INSTANTIATE_TEST_SUITE_P(Local, EachFileSystem, testing::Values(true));
INSTANTIATE_TEST_SUITE_P(InMemory, EachFileSystem, testing::Values(false));

TEST(LocalFiles, NameThePathAndTheReasonInErrors) {
  EXPECT_THAT([] { local_files().make_directories("/proc/nowhere"); },
              ThrowsMessage<StorageError>(HasSubstr("/proc/nowhere: ")));
  EXPECT_THAT([] { local_files().open("/missing/file"); },
              ThrowsMessage<StorageError>("cannot open /missing/file: No such file or directory"));
}

TEST(LocalFiles, AreMissingOnlyIfTheSystemReportsThat) {
  const TemporaryDirectory directory;
  std::filesystem::create_symlink("loop", directory / "loop");
  write_file(local_files(), directory / "file", "");
  EXPECT_FALSE(local_files().exists(directory / "missing/file"));
  EXPECT_FALSE(local_files().exists(directory / "file/below"));
  EXPECT_THAT([&] { local_files().exists(directory / "loop"); },
              ThrowsMessage<StorageError>("cannot stat " + directory.path() +
                                          "/loop: Too many levels of symbolic links"));
  EXPECT_THROW(local_files().exists(directory / std::string(300, 'x')), StorageError);
}

TEST(LocalFiles, DoNotOpenADirectoryAsAFile) {
  EXPECT_THAT([] { local_files().open("/"); },
              ThrowsMessage<StorageError>(HasSubstr("not a regular file")));
}

TEST(LocalFiles, FindTheDirectoryOfAPath) {
  EXPECT_EQ(parent_of("a/b/c"), "a/b");
  EXPECT_EQ(parent_of("a/b/"), "a");
  EXPECT_EQ(parent_of("a"), ".");
  EXPECT_EQ(parent_of("/a"), "/");
  EXPECT_EQ(parent_of("/"), "/");
}

TEST(LocalFiles, ReportAFullDiskBeforeTheFirstByteIsWritten) {
  const TinyDisk disk("100k");
  if (!disk.is_mounted()) GTEST_SKIP() << "only root may mount a small disk";
  const auto file = local_files().create(disk / "a");
  EXPECT_THAT(
      [&] { file->reserve(3 << 19); },
      ThrowsMessage<StorageError>(HasSubstr("free some space: 1.5 MiB needed, 0.1 MiB free")));
}

TEST(LocalFiles, WriteToAFileSystemThatDoesNotReportItsSize) {
  const TinyDisk disk("0");  // without a limit
  if (!disk.is_mounted()) GTEST_SKIP() << "only root may mount a disk";
  const auto file = local_files().create(disk / "a");
  file->reserve(3 << 19);
  append(*file, "kept");
  file->sync();
  EXPECT_EQ(read_file(local_files(), disk / "a"), "kept");
}

TEST(LocalFiles, ReportThatTheFileSystemHasNoInodesLeft) {
  const TinyDisk disk("1m,nr_inodes=2");
  if (!disk.is_mounted()) GTEST_SKIP() << "only root may mount a small disk";
  write_file(local_files(), disk / "a", "the last");
  EXPECT_THAT([&] { local_files().create(disk / "b"); },
              ThrowsMessage<StorageError>(HasSubstr("delete some files: there is free space, but "
                                                    "the file system has no inodes left")));
}

TEST(CrashingFileSystem, LosesUnsyncedBytesAndNames) {
  CrashingFileSystem files;
  write_file(files, "unlisted", "synced, but its name is not");
  files.restart(CrashingFileSystem::Survives::what_was_synced);
  EXPECT_FALSE(files.exists("unlisted"));

  append(*files.create("unsynced"), "its name is synced, but it is not");
  files.sync_directory(".");
  files.restart(CrashingFileSystem::Survives::what_was_synced);
  EXPECT_EQ(read_file(files, "unsynced"), "");
}

TEST(CrashingFileSystem, LosesBytesThatAFailedSyncDidNotWrite) {
  CrashingFileSystem files;
  const auto file = files.create("a");
  append(*file, "lost");
  files.fail_after(0);
  EXPECT_THROW(file->sync(), StorageError);
  file->sync();
  files.sync_directory(".");
  files.restart(CrashingFileSystem::Survives::what_was_synced);
  EXPECT_EQ(read_file(files, "a"), "");
}

}  // namespace
}  // namespace ripieno::io
