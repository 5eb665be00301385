#include "ripieno/io/files/replace_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "io/files/crashing_file_system.h"
#include "io/files/temporary_directory.h"
#include "ripieno/core/error.h"
#include "ripieno/io/files/write_aside.h"

namespace ripieno::io {
namespace {

using testing::ElementsAre;

// Starts each case from a disk on which run/file contains "old".
class ReplaceFile : public testing::Test {
 protected:
  void begin() {
    files_.emplace();
    files_->make_directories("run");
    files_->sync_directory(".");
    replace_file(*files_, "run/file", "old");
  }
  std::string text() const { return read_file(*files_, "run/file"); }

  std::optional<CrashingFileSystem> files_;
};

TEST_F(ReplaceFile, IsDurableOnceItReturns) {
  begin();
  replace_file(*files_, "run/file", "new");
  files_->restart(CrashingFileSystem::Survives::what_was_synced);
  EXPECT_EQ(text(), "new");
}

TEST_F(ReplaceFile, IsOldOrNewAfterAPowerCutAtAnyOperation) {
  using Survives = CrashingFileSystem::Survives;
  for (const Survives survives :
       {Survives::what_was_synced, Survives::every_name, Survives::some}) {
    bool finished = false;
    for (int operations = 0; !finished; ++operations) {
      begin();
      files_->cut_power_after(operations);
      try {
        replace_file(*files_, "run/file", "new");
        finished = true;
      } catch (const PowerCut&) {
      }
      files_->restart(survives);
      EXPECT_TRUE(text() == "new" || (!finished && text() == "old"))
          << "after operation " << operations << ": " << text();
    }
  }
}

TEST_F(ReplaceFile, IsOldOrNewIfAnyOperationFails) {
  bool finished = false;
  for (int operations = 0; !finished; ++operations) {
    begin();
    files_->fail_after(operations);
    try {
      replace_file(*files_, "run/file", "new");
    } catch (const StorageError&) {
    }
    finished = !files_->failed();
    files_->fail_after(1'000'000);  // the checks below must not fail
    EXPECT_TRUE(text() == "new" || (!finished && text() == "old")) << "operation " << operations;
    EXPECT_THAT(files_->names_in("run"), ElementsAre("file")) << "operation " << operations;
  }
}

// Each of two processes that write the same file at once has to leave a complete one.
TEST(WriteAside, DoesNotDisturbAnotherWriterOfTheFile) {
  const TemporaryDirectory directory;
  const std::string path = directory / "file";
  write_aside(local_files(), path, [&](const std::string& aside) {
    write_file(local_files(), aside, "first");
    replace_file(local_files(), path, "second");
    EXPECT_EQ(read_file(local_files(), aside), "first");
  });
  EXPECT_EQ(read_file(local_files(), path), "first");
  EXPECT_THAT(local_files().names_in(directory.path()), ElementsAre("file"));
}

TEST(WriteAside, KeepsAFileWhoseNameEndsWithPartial) {
  const TemporaryDirectory directory;
  write_file(local_files(), directory / "file.partial", "mine");
  replace_file(local_files(), directory / "file", "new");
  EXPECT_EQ(read_file(local_files(), directory / "file.partial"), "mine");
}

TEST(WriteAside, WritesWhatALinkLeadsTo) {
  const TemporaryDirectory directory;
  local_files().make_directories(directory / "storage");
  std::filesystem::create_symlink("storage/file", directory / "link");
  std::filesystem::create_symlink(directory / "link", directory / "link_to_link");
  for (const char* text : {"new", "replaced"}) {
    replace_file(local_files(), directory / "link_to_link", text);
    EXPECT_EQ(read_file(local_files(), directory / "storage/file"), text);
    EXPECT_TRUE(std::filesystem::is_symlink(directory / "link"));
    EXPECT_TRUE(std::filesystem::is_symlink(directory / "link_to_link"));
  }
  EXPECT_THAT(local_files().names_in(directory / "storage"), ElementsAre("file"));
}

TEST(WriteAside, NeverReplacesALinkToADevice) {
  const TemporaryDirectory directory;
  std::filesystem::create_symlink("/dev/null", directory / "link");
  EXPECT_THROW(replace_file(local_files(), directory / "link", "new"), StorageError);
  EXPECT_TRUE(std::filesystem::is_symlink(directory / "link"));
  EXPECT_TRUE(std::filesystem::is_character_file("/dev/null"));
}

TEST(WriteAside, FailsOnALinkToItself) {
  const TemporaryDirectory directory;
  std::filesystem::create_symlink("link", directory / "link");
  EXPECT_EQ(link_target(local_files(), directory / "link"), directory / "link");
}

TEST(RemoveLeftovers, RemovesOnlyTemporaryFilesOfTheFile) {
  const TemporaryDirectory directory;
  for (const char* name : {"a", "a.0123abcd.partial", "a.0123abcx.partial", "a.partial",
                           "ab.0123abcd.partial", "b.0123abcd.partial", "x.a.0123abcd.partial"})
    write_file(local_files(), directory / name, "");
  remove_leftovers(local_files(), directory / "a");
  EXPECT_THAT(local_files().names_in(directory.path()),
              ElementsAre("a", "a.0123abcx.partial", "a.partial", "ab.0123abcd.partial",
                          "b.0123abcd.partial", "x.a.0123abcd.partial"));
  remove_leftovers(local_files(), directory / "no/file");
}

}  // namespace
}  // namespace ripieno::io
