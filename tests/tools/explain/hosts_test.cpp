#include <csignal>

#include "tools/explain/recorded_run.h"

namespace ripieno::tools::explain {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::Not;

void end_by_sigterm(io::FlightWriter& writer) {
  writer.end_process(io::FlightEnd::Kind::signal, 143, SIGTERM, "TERM");
}

TEST(HostDiagnoses, NameAHostThatWasLost) {
  RecordedRun run(4);
  run.write(0, 2, {.host = "a", .ended = 0, .acts = end_by_sigterm});
  run.write(2, 4, {.host = "b", .silent = 14});
  const auto findings = run.findings();
  ASSERT_THAT(codes(findings), ElementsAre("R-HOST-01", "R-END-02"));
  EXPECT_THAT(findings[0], AllOf(is_finding("R-HOST-01", Role::root, 2),
                                 says("host b was lost (ranks 2, 3): no heartbeat for 14 s before "
                                      "the run ended, while other hosts lived on")));
}

// Its storage outlived its network, so that its rank recorded a signal like the others.
TEST(HostDiagnoses, NameAHostThatTheLauncherLost) {
  RecordedRun run(2);
  run.write(0, 1, {.host = "a", .acts = end_by_sigterm});
  run.write(1, 2, {.host = "b", .acts = end_by_sigterm});
  run.write_file("launch/attempt_00001/host_b.cluster.lost", "");
  const auto findings = run.findings();
  ASSERT_THAT(codes(findings), ElementsAre("R-HOST-01", "R-HOST-04"));
  EXPECT_EQ(findings[1].role, Role::teardown);
  EXPECT_THAT(findings[0], AllOf(is_finding("R-HOST-01", Role::root, 1),
                                 says("host b.cluster was lost (rank 1), as `ripieno launch`")));
}

TEST(HostDiagnoses, NameAHostThatIsLostWhileTheOthersStillWait) {
  RecordedRun run(4);
  run.write(0, 2, {.host = "a", .in_place = 20, .acts = [](auto& writer) {
                     writer.begin(all_reduce(5));
                   }});
  run.write(2, 4, {.host = "b", .silent = 20});
  const auto findings = run.findings();
  EXPECT_THAT(findings[0], AllOf(is_finding("R-HOST-01", Role::root, 2), says("host b was lost")));
}

TEST(HostDiagnoses, PassOnANoticeOfPreemption) {
  RecordedRun run(2);
  run.write(0, 1, {.host = "a"});
  run.write(1, 2, {.host = "b"});
  run.write_file("launch/attempt_00001/host_b.notice", "terminate at 12:00\n");
  EXPECT_THAT(run.findings(), ElementsAre(AllOf(is_finding("R-HOST-02", Role::root, 1),
                                                says("host b is being preempted: terminate at"))));
}

TEST(HostDiagnoses, SayThatAProcessWasKilledFromOutside) {
  RecordedRun run(3);
  run.write(0, 2, {.silent = 3, .ended = 2.7, .acts = end_by_sigterm});
  run.write({.rank = 2, .silent = 4});
  const auto findings = run.findings();
  ASSERT_THAT(codes(findings), ElementsAre("R-HOST-03", "R-END-02"));
  EXPECT_THAT(findings[0], AllOf(is_finding("R-HOST-03", Role::root, 2),
                                 says("was killed by signal 9 before the first step was done")));
}

TEST(HostDiagnoses, SayThatAllWereKilledAtOnce) {
  RecordedRun run(3);
  run.write(0, 3, {.silent = 600});
  EXPECT_THAT(run.findings(), ElementsAre(AllOf(is_finding("R-HOST-03", Role::root, 0),
                                                says("all 3 ranks ended at the same time"))));
}

TEST(HostDiagnoses, SayThatTheJobWasEndedBySignal) {
  RecordedRun run(2);
  run.write(0, 2, {.acts = end_by_sigterm});
  EXPECT_THAT(run.findings(), ElementsAre(AllOf(is_finding("R-HOST-04", Role::root, 0),
                                                says("ranks 0, 1 were ended by signal 15"))));
}

// What mpirun does to ranks that outlive SIGTERM must not look like the cause.
TEST(HostDiagnoses, DoNotTakeTheEndOfTheJobForTheCause) {
  RecordedRun run(3);
  run.write({.rank = 0, .ended = 5, .acts = [](auto& writer) {
               writer.end_process(io::FlightEnd::Kind::exception, 74, 0, "disk full");
             }});
  run.write(1, 3, {.silent = 3.5});
  const auto findings = run.findings();
  ASSERT_THAT(codes(findings), ElementsAre("R-CKPT-02", "R-END-02"));
  EXPECT_THAT(findings[1], AllOf(is_finding("R-END-02", Role::teardown, 1), says("signal 9")));
}

TEST(HostDiagnoses, BelieveTheLauncherAboutSignals) {
  RecordedRun run(2);
  run.write({.rank = 0, .silent = 30});
  run.write({.rank = 1, .silent = 30});
  run.write_file("launch/attempt_00002/rank_00000.ended",
                 R"({"rank":0,"host":"a","pid":4700,"time":1999999972,"status":0,"signal":9,)"
                 R"("asked_to_end":true,"last_words":""})");
  run.write_file("launch/attempt_00002/rank_00001.ended",
                 R"({"rank":1,"host":"a","pid":4701,"time":1999999970,"status":0,"signal":9,)"
                 R"("asked_to_end":false,"last_words":""})");
  const auto findings = run.findings();
  ASSERT_THAT(codes(findings), ElementsAre("R-HOST-03", "R-END-02"));
  EXPECT_THAT(findings[0], is_finding("R-HOST-03", Role::root, 1));
  EXPECT_THAT(findings[1], is_finding("R-END-02", Role::teardown, 0));
}

TEST(HostDiagnoses, NameARankThatSharesItsCores) {
  RecordedRun run(3);
  const auto slow_by = [](double seconds) {
    return [=](io::FlightWriter& writer) {
      take_steps(writer, 40, {0, seconds, 0.02, 0.12 - seconds, 0.01});
    };
  };
  run.write(0, 2, {.heartbeat = {.involuntary_switches = 3600}, .acts = slow_by(0.04)});
  run.write({.rank = 2,
             .host = "b",
             .heartbeat = {.involuntary_switches = 3600 * 700},
             .acts = slow_by(0.1)});
  const auto findings = run.findings();
  EXPECT_THAT(findings, ElementsAre(AllOf(is_finding("R-HOST-05", Role::root, 2),
                                          says("lost the processor 700 times per second"))));
}

// `busy`: share of its 16 cores that the slow rank itself uses.
RecordedRun run_with_waiting_rank(double busy) {
  RecordedRun run(2);
  const auto steps = [](double backward, double waited) {
    return [=](io::FlightWriter& writer) {
      take_steps(writer, 40, {0, backward, 0.02, 0.12 - backward, 0.01});
      writer.set_processor_wait(100, waited);
    };
  };
  run.write({.rank = 0, .acts = steps(0.04, 0.01)});
  run.write({.rank = 1,
             .host = "b",
             .heartbeat = {.cpu_seconds = busy * 16 * 3600},
             .acts = steps(0.1, 0.48)});
  return run;
}

TEST(HostDiagnoses, NameARankThatWaitsForAProcessor) {
  EXPECT_THAT(run_with_waiting_rank(0.5).findings(),
              ElementsAre(AllOf(is_finding("R-HOST-05", Role::root, 1),
                                says("it waited 48 % of its time for a processor"))));
}

TEST(HostDiagnoses, DoNotBlameOthersIfTheRankUsesItsCoresItself) {
  EXPECT_THAT(run_with_waiting_rank(0.95).findings(),
              ElementsAre(is_finding("R-SLOW-01", Role::root, 1)));
}

TEST(HostDiagnoses, NameAQuotaThatIsTooSmall) {
  RecordedRun run(1);
  run.write({.heartbeat = {.throttled_seconds = 720}});
  EXPECT_THAT(run.findings(), ElementsAre(AllOf(is_finding("R-HOST-05", Role::root, 0),
                                                says("quota held it back for 720 of 3600 s"))));
}

TEST(HostDiagnoses, AreSilentAboutAHealthyRun) {
  RecordedRun run(2);
  run.write(0, 2, {.heartbeat = {.involuntary_switches = 100, .throttled_seconds = 1}});
  EXPECT_THAT(run.findings(), ElementsAre());
}

}  // namespace
}  // namespace ripieno::tools::explain
