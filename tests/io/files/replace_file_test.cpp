#include "ripieno/io/files/replace_file.h"

#include <gtest/gtest.h>

#include "io/files/crashing_file_system.h"
#include "ripieno/core/error.h"

namespace ripieno::io {
namespace {

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
    EXPECT_FALSE(files_->exists("run/file.partial")) << "operation " << operations;
  }
}

}  // namespace
}  // namespace ripieno::io
