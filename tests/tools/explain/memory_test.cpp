#include <csignal>

#include "tools/explain/recorded_run.h"

namespace ripieno::tools::explain {
namespace {

using testing::AllOf;
using testing::ElementsAre;

constexpr int64_t kGiB = int64_t{1} << 30;

// Ranks 0 to 3, of which mpirun ended 0 to 2 by SIGTERM a second after rank 3 was killed.
struct Killed : testing::Test {
  RecordedRun run{4};

  void write(const io::FlightHeartbeat& others, const io::FlightHeartbeat& killed) {
    run.write(0, 3, {.silent = 3, .ended = 2.5, .heartbeat = others, .acts = [](auto& writer) {
                       take_steps(writer, 4, {});
                       writer.begin(all_reduce(9));
                       writer.end_process(io::FlightEnd::Kind::signal, 143, SIGTERM, "TERM");
                     }});
    run.write({.rank = 3, .host = "b", .silent = 4, .heartbeat = killed, .acts = [](auto& writer) {
                 take_steps(writer, 1204, {});
                 writer.begin({.name = "forward"});
               }});
  }
};

struct MemoryDiagnoses : Killed {};

TEST_F(MemoryDiagnoses, NameTheRankWhoseContainerKilledIt) {
  write({}, {.group_bytes = 231 * kGiB / 10,
             .group_limit_bytes = 24 * kGiB,
             .oom_kills = 1,
             .oom_kills_at_start = 0});
  const auto findings = run.findings();
  ASSERT_THAT(codes(findings), ElementsAre("R-MEM-01", "R-END-02"));
  EXPECT_THAT(findings[0],
              AllOf(is_finding("R-MEM-01", Role::root, 3),
                    says("rank 3 (host b, pid 4703) was killed by signal 9 at step 1,204: out of "
                         "memory (its container's oom_kill counter rose by 1; 23.1 of 24 GiB at "
                         "the last heartbeat)")));
  EXPECT_EQ(findings[0].phase, "forward");
  EXPECT_THAT(findings[1],
              AllOf(is_finding("R-END-02", Role::teardown, 0), says("ranks 0-2 were ended by "
                                                                    "signal 15 (SIGTERM)")));
}

// The victim cannot count its own death; another rank in its container can.
TEST_F(MemoryDiagnoses, TakeTheCounterFromAnotherRankOfTheHost) {
  run.write({.rank = 0,
             .host = "b",
             .silent = 3,
             .ended = 2.5,
             .heartbeat = {.oom_kills = 3, .oom_kills_at_start = 2},
             .acts = [](auto& writer) {
               writer.end_process(io::FlightEnd::Kind::exception, 76, 0, "lost rank 1");
             }});
  run.write({.rank = 1,
             .host = "b",
             .silent = 5,
             .heartbeat = {.oom_kills = 2, .oom_kills_at_start = 2}});
  const auto findings = run.findings();
  ASSERT_THAT(codes(findings), ElementsAre("R-MEM-01", "R-END-01"));
  EXPECT_THAT(findings[0], is_finding("R-MEM-01", Role::root, 1));
  EXPECT_THAT(findings[1], is_finding("R-END-01", Role::consequence, 0));
}

TEST_F(MemoryDiagnoses, NameAHostThatWasFull) {
  write({}, {.resident_bytes = 60 * kGiB, .host_available_bytes = kGiB / 4});
  EXPECT_THAT(run.findings()[0],
              AllOf(is_finding("R-MEM-02", Role::root, 3), says("signal 9"),
                    says("its host had 0.25 GiB available at the last heartbeat, when the process "
                         "used 60 GiB")));
}

TEST_F(MemoryDiagnoses, DoNotBlameMemoryWithoutASign) {
  write({}, {.resident_bytes = kGiB,
             .group_bytes = 2 * kGiB,
             .group_limit_bytes = 24 * kGiB,
             .oom_kills = 5,
             .oom_kills_at_start = 5,
             .host_available_bytes = 10 * kGiB});
  EXPECT_THAT(run.findings()[0], AllOf(is_finding("R-HOST-03", Role::root, 3), says("signal 9")));
}

TEST_F(MemoryDiagnoses, NameAnAllocationThatFailed) {
  run.write({.rank = 0,
             .heartbeat = {.resident_bytes = 3 * kGiB, .peak_resident_bytes = 4 * kGiB},
             .acts = [](auto& writer) {
               writer.end_process(io::FlightEnd::Kind::exception, 71, 0, "cannot allocate 8 GB");
             }});
  run.write({.rank = 1, .acts = [](auto& writer) {
               writer.end_process(io::FlightEnd::Kind::exception, 76, 0, "lost rank 0");
             }});
  const auto findings = run.findings();
  ASSERT_THAT(codes(findings), ElementsAre("R-MEM-03", "R-END-01"));
  EXPECT_THAT(findings[0],
              AllOf(is_finding("R-MEM-03", Role::root, 0), says("cannot allocate 8 GB"),
                    says("out of memory"), says("used 3 GiB of host memory, at most 4 GiB")));
}

TEST_F(MemoryDiagnoses, WarnOfALimitThatIsNear) {
  RecordedRun one(1);
  one.write({.heartbeat = {.group_bytes = 98 * kGiB, .group_limit_bytes = 100 * kGiB}});
  EXPECT_THAT(one.findings(),
              ElementsAre(AllOf(is_finding("R-MEM-04", Role::root, 0), says("98 of 100 GiB"))));
}

}  // namespace
}  // namespace ripieno::tools::explain
