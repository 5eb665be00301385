#include "ripieno/training/watch/process_facts.h"

#include <gtest/gtest.h>

#include <fstream>

#include "io/files/temporary_directory.h"

namespace ripieno::watch {
namespace {

class ProcessFactsTest : public testing::Test {
 protected:
  void write(const std::string& name, const std::string& text) {
    const std::filesystem::path path = directory_ / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text;
  }
  io::FlightHeartbeat read() {
    return ProcessFacts(directory_ / "membership", directory_ / "root").read();
  }

  io::TemporaryDirectory directory_;
};

TEST_F(ProcessFactsTest, HaveTimeAndMemoryOfTheProcess) {
  const auto beat = read();
  EXPECT_GT(beat.unix_time, 1'600'000'000ll * 1'000'000'000);
  EXPECT_GT(beat.monotonic_time, 0);
  EXPECT_GT(beat.resident_bytes, 1 << 20);
  EXPECT_GE(beat.peak_resident_bytes, beat.resident_bytes / 2);
  EXPECT_GT(beat.host_available_bytes.value(), 0);
  EXPECT_GT(beat.cpu_seconds, 0);
}

TEST_F(ProcessFactsTest, HaveTheGroupWithTheLowestLimit) {
  write("membership", "0::/pod/container\n");
  write("root/pod/container/memory.max", "max\n");
  write("root/pod/container/memory.current", "111\n");
  write("root/pod/container/cpu.stat", "usage_usec 5\nthrottled_usec 2500000\n");
  write("root/pod/memory.max", "25769803776\n");
  write("root/pod/memory.current", "24803004416\n");
  write("root/pod/memory.events", "low 0\nhigh 0\nmax 7\noom 1\noom_kill 1\noom_group_kill 0\n");
  const auto beat = read();
  EXPECT_EQ(beat.group_limit_bytes, 25769803776);
  EXPECT_EQ(beat.group_bytes, 24803004416);
  EXPECT_EQ(beat.oom_kills, 1);
  EXPECT_EQ(beat.oom_kills_at_start, 1);
  EXPECT_EQ(beat.throttled_seconds, 2.5);
}

TEST_F(ProcessFactsTest, HaveKillsSinceTheStart) {
  write("membership", "0::/job\n");
  write("root/job/memory.max", "100\n");
  write("root/job/memory.events", "oom_kill 2\n");
  ProcessFacts facts(directory_ / "membership", directory_ / "root");
  write("root/job/memory.events", "oom_kill 3\n");
  const auto beat = facts.read();
  EXPECT_EQ(beat.oom_kills_at_start, 2);
  EXPECT_EQ(beat.oom_kills, 3);
}

TEST_F(ProcessFactsTest, ReadControlGroupsOfVersion1) {
  write("membership", "5:cpu,cpuacct:/other\n4:memory:/job\n");
  write("root/memory/job/memory.limit_in_bytes", "1000\n");
  write("root/memory/job/memory.usage_in_bytes", "900\n");
  write("root/memory/job/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 4\n");
  const auto beat = read();
  EXPECT_EQ(beat.group_limit_bytes, 1000);
  EXPECT_EQ(beat.group_bytes, 900);
  EXPECT_EQ(beat.oom_kills, 4);
}

TEST_F(ProcessFactsTest, HaveNoLimitIfThereIsNone) {
  write("membership", "4:memory:/job\n");
  write("root/memory/job/memory.limit_in_bytes", "9223372036854771712\n");
  EXPECT_EQ(read().group_limit_bytes, std::nullopt);
}

TEST_F(ProcessFactsTest, FindTheGroupThatAContainerSeesAsTheRoot) {
  write("membership", "0::/kubepods/pod1/container1\n");
  write("root/memory.max", "500\n");
  EXPECT_EQ(read().group_limit_bytes, 500);
}

TEST_F(ProcessFactsTest, LeaveOutWhatCannotBeRead) {
  const auto beat = read();
  EXPECT_EQ(beat.group_bytes, std::nullopt);
  EXPECT_EQ(beat.oom_kills, std::nullopt);
  EXPECT_EQ(beat.throttled_seconds, std::nullopt);
}

}  // namespace
}  // namespace ripieno::watch
