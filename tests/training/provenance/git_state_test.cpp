#include "ripieno/training/provenance/git_state.h"

#include <gmock/gmock.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <chrono>
#include <filesystem>
#include <fstream>

#include "io/files/temporary_directory.h"

namespace ripieno {
namespace {

class GitStateTest : public testing::Test {
 protected:
  void SetUp() override {
    if (std::system("git --version >/dev/null 2>&1") != 0) GTEST_SKIP() << "there is no git";
    git("init -q -b topic");
    write("file", "a");
    git("add file");
    git("-c user.name=n -c user.email=e commit -q -m m");
  }
  void git(const std::string& arguments) const {
    ASSERT_EQ(std::system(("git -C " + directory.path() + " " + arguments).c_str()), 0);
  }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(directory.path() + "/" + name) << text;
  }
  io::TemporaryDirectory directory;
};

TEST_F(GitStateTest, HasCommitAndBranch) {
  const auto state = git_state(directory.path(), 60);
  ASSERT_TRUE(state);
  EXPECT_EQ(state->commit.size(), 40u);
  EXPECT_EQ(state->branch, "topic");
  EXPECT_FALSE(state->is_dirty);
}

TEST_F(GitStateTest, IsDirtyIfAKnownFileWasChanged) {
  write("unknown", "b");
  EXPECT_FALSE(git_state(directory.path(), 60)->is_dirty);
  write("file", "changed");
  EXPECT_TRUE(git_state(directory.path(), 60)->is_dirty);
}

TEST_F(GitStateTest, HasNoBranchOfADetachedCommit) {
  git("checkout -q --detach");
  EXPECT_EQ(git_state(directory.path(), 60)->branch, "");
}

// With a git that stands still first in PATH.
TEST_F(GitStateTest, IsNotWaitedForLongerThanItsLimit) {
  write("git", "#!/bin/sh\nexec sleep 600\n");
  ::chmod((directory.path() + "/git").c_str(), 0755);
  const std::string path = ::getenv("PATH");
  ::setenv("PATH", (directory.path() + ":" + path).c_str(), 1);
  const auto state = git_state(directory.path(), 0.1);
  ::setenv("PATH", path.c_str(), 1);
  EXPECT_FALSE(state);
}

TEST(GitState, IsEmptyOutsideARepository) {
  const io::TemporaryDirectory directory;
  EXPECT_FALSE(git_state(directory.path(), 60));
}

TEST(GitState, IsEmptyWithoutGit) {
  const io::TemporaryDirectory directory;
  const std::string path = ::getenv("PATH");
  ::setenv("PATH", directory.path().c_str(), 1);
  EXPECT_FALSE(git_state(".", 60));
  ::setenv("PATH", path.c_str(), 1);
}

}  // namespace
}  // namespace ripieno
