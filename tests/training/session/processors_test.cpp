#include "ripieno/training/session/processors.h"

#include <gmock/gmock.h>

#include <cstdlib>
#include <fstream>
#include <optional>

#include "io/files/temporary_directory.h"
#include "ripieno/core/error.h"

namespace ripieno {
namespace {

using ::testing::Optional;

class Quota : public ::testing::Test {
 protected:
  void write(const std::filesystem::path& path, const std::string& text) const {
    std::filesystem::create_directories((root() / path).parent_path());
    std::ofstream(root() / path) << text;
  }
  CpuQuota read() const { return cpu_quota(root() / "membership", root() / "groups"); }
  std::filesystem::path root() const { return folder.path(); }

  io::TemporaryDirectory folder;
};

TEST_F(Quota, IsThatOfTheGroupOfTheProcess) {
  write("membership", "0::/jobs/mine\n");
  write("groups/jobs/mine/cpu.max", "250000 100000\n");
  EXPECT_THAT(read().processors, Optional(2.5));
  EXPECT_EQ(read().group, "/jobs/mine");
}

TEST_F(Quota, IsTheLowestOfTheGroupAndItsAncestors) {
  write("membership", "0::/jobs/mine/step\n");
  write("groups/jobs/mine/step/cpu.max", "max 100000\n");
  write("groups/jobs/mine/cpu.max", "400000 100000\n");
  write("groups/jobs/cpu.max", "150000 50000\n");
  EXPECT_THAT(read().processors, Optional(3.0));
  EXPECT_EQ(read().group, "/jobs");
}

TEST_F(Quota, IsReadInAContainerWhoseRootIsItsOwnGroup) {
  write("membership", "0::/docker/0123\n");
  write("groups/cpu.max", "100000 100000\n");
  EXPECT_THAT(read().processors, Optional(1.0));
}

TEST_F(Quota, IsReadFromControlGroupsOfVersion1) {
  write("membership", "3:memory:/other\n4:cpu,cpuacct:/docker/0123\n0::/\n");
  write("groups/cpu,cpuacct/docker/0123/cpu.cfs_quota_us", "300000\n");
  write("groups/cpu,cpuacct/docker/0123/cpu.cfs_period_us", "100000\n");
  EXPECT_THAT(read().processors, Optional(3.0));
}

TEST_F(Quota, IsEmptyWithoutALimitOrWithoutControlGroups) {
  EXPECT_EQ(read().processors, std::nullopt);
  write("membership", "4:cpu,cpuacct:/\n0::/\nnonsense\n");
  write("groups/cpu.max", "max 100000\n");
  write("groups/cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
  write("groups/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(read().processors, std::nullopt);
}

TEST(ThreadsOfEnvironment, AreTheFirstNumberOfOmpNumThreads) {
  const auto with = [](const char* text) {
    setenv("OMP_NUM_THREADS", text, 1);
    const auto threads = threads_of_environment();
    unsetenv("OMP_NUM_THREADS");
    return threads;
  };
  EXPECT_EQ(with("1"), 1);
  EXPECT_EQ(with("3,2"), 3);
  EXPECT_EQ(with(" 4 , 2"), 4);
  EXPECT_EQ(with(""), std::nullopt);
  EXPECT_EQ(threads_of_environment(), std::nullopt);
}

TEST(ThreadsOfEnvironment, RejectWhatIsNotAPositiveWholeNumber) {
  for (const char* const text : {"3.7", "3x", "0x4", "1e1", "0", "-2", "+2", " ", ",2", "many",
                                 "1025", "99999999999999999999"}) {
    setenv("OMP_NUM_THREADS", text, 1);
    EXPECT_THROW(threads_of_environment(), ConfigurationError) << text;
  }
  unsetenv("OMP_NUM_THREADS");
}

// The share of a rank if `on_affinity` ranks share the processors and `on_quota` ranks the quota.
CpuShare share(int processors, int64_t on_affinity, std::optional<double> quota, int64_t on_quota) {
  return cpu_share({.count = processors, .list = ""}, on_affinity,
                   {.group = "/jobs", .processors = quota}, on_quota);
}

TEST(CpuShare, DividesTheProcessorsAmongTheirRanks) {
  EXPECT_EQ(share(8, 1, {}, 1).threads, 8);
  EXPECT_EQ(share(8, 3, {}, 3).threads, 2);
  EXPECT_EQ(share(8, 3, {}, 3).source, "affinity");
  EXPECT_EQ(share(2, 5, {}, 5).threads, 1);
}

TEST(CpuShare, DividesTheQuotaIfThatGivesLess) {
  EXPECT_EQ(share(8, 1, 3.5, 1).threads, 3);
  EXPECT_EQ(share(8, 1, 3.5, 1).source, "the control group's quota");
  EXPECT_EQ(share(8, 1, 6.0, 2).threads, 3);  // each has processors of its own
  EXPECT_EQ(share(8, 4, 6.0, 2).source, "affinity");
  EXPECT_EQ(share(8, 1, 0.5, 1).threads, 1);
  EXPECT_EQ(share(2, 1, 64.0, 1).source, "affinity");
}

TEST(Affinity, HasAtLeastOneProcessor) {
  EXPECT_GE(affinity().count, 1);
  EXPECT_FALSE(affinity().list.empty());
}

}  // namespace
}  // namespace ripieno
