#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "ripieno/core/host_name.h"
#include "tools/explain/recorded_run.h"

namespace ripieno::tools::explain {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr auto kWaiting = [](io::FlightWriter& writer) {
  take_steps(writer, 10, {});
  writer.name_bucket(4, "blocks.7.up.weight to blocks.7.down.bias");
  writer.begin({.name = "communication"});
  writer.begin(all_reduce(1842, 4));
};

// Seven ranks wait; what the rank between them does is up to the test.
RecordedRun waiting_for(RecordedRank suspect, double seconds = 312, double silent = 0) {
  RecordedRun run(8);
  run.write(0, 3, {.in_place = seconds, .silent = silent, .acts = kWaiting});
  run.write(4, 8, {.in_place = seconds, .silent = silent, .acts = kWaiting});
  suspect.rank = 3;
  run.write(suspect);
  return run;
}

// A rank that has done all collectives before 1842.
RecordedRank busy_with(const char* phase, double seconds, const char* activity = "step") {
  return {.host = "b", .in_place = seconds, .activity = activity, .acts = [=](auto& writer) {
            writer.begin(all_reduce(1841));
            writer.end(false);
            if (*phase) writer.begin({.name = phase});
          }};
}

TEST(HangDiagnoses, NameTheRankThatIsAsleepInData) {
  const RecordedRun run = waiting_for(busy_with("wait for a batch", 312));
  EXPECT_THAT(run.findings(),
              ElementsAre(AllOf(
                  is_finding("R-DATA-01", Role::root, 3),
                  says("rank 3 (host b, pid 4703) has been in data for 312 s (step > wait for a "
                       "batch); ranks 0-2, 4-7 wait for it in all_reduce 1842 (bucket 4: "
                       "blocks.7.up.weight to blocks.7.down.bias)"))));
  EXPECT_EQ(run.findings()[0].phase, "data");
}

TEST(HangDiagnoses, NameTheRankThatIsAsleepInASave) {
  EXPECT_THAT(waiting_for(busy_with("", 312, "save")).findings(),
              ElementsAre(AllOf(is_finding("R-CKPT-01", Role::root, 3),
                                says("has been in save for 312 s"))));
}

// The others have saved their parts, and poll each other for the end of the save.
TEST(HangDiagnoses, NameTheRankWhosePartOfASaveDoesNotProceed) {
  RecordedRun run(3);
  const auto poll = [](io::FlightWriter& writer) { writer.begin(all_reduce(1900)); };
  run.write(0, 2, {.in_place = 90, .activity = "save", .acts = poll});
  run.write({.rank = 2, .in_place = 90, .activity = "save", .acts = [](auto& writer) {
               writer.begin({.name = "save of a checkpoint"});
             }});
  EXPECT_THAT(run.findings(), ElementsAre(AllOf(is_finding("R-CKPT-01", Role::root, 2),
                                                says("rank 2 (host a, pid 4702) has been in save "
                                                     "for 90 s (save > save of a checkpoint); "
                                                     "ranks 0, 1 wait for it in that save"))));
}

TEST(HangDiagnoses, NameTheRankThatIsAsleepInAValidation) {
  EXPECT_THAT(waiting_for(busy_with("forward", 312, "validation")).findings(),
              ElementsAre(AllOf(is_finding("R-HANG-02", Role::root, 3),
                                says("has been in validation for"))));
}

TEST(HangDiagnoses, NameTheRankThatIsBehindInAnyOtherPhase) {
  EXPECT_THAT(waiting_for(busy_with("backward", 40)).findings(),
              ElementsAre(AllOf(is_finding("R-HANG-01", Role::root, 3),
                                says("has been in backward for 40 s"))));
}

TEST(HangDiagnoses, AreSilentWhileARunProceeds) {
  EXPECT_THAT(waiting_for(busy_with("wait for a batch", 3), 3).findings(), IsEmpty());
}

// As its watchdog or a timeout ends it: the run is dead, the cause is the same.
// The end of rank 0 ends the collective of rank 1, but not the phase around it.
TEST(HangDiagnoses, ExplainARunWhoseRanksNoticedEachOthersEnd) {
  RecordedRun run(3);
  const auto give_up = [](auto& writer) {
    kWaiting(writer);
    writer.end(true);
    writer.end_process(io::FlightEnd::Kind::watchdog, 76, 0, "nothing has proceeded");
  };
  run.write(0, 2, {.in_place = 4, .silent = 1, .acts = give_up});
  RecordedRank suspect = busy_with("wait for a batch", 4);
  suspect.rank = 2;
  suspect.silent = 0.5;
  const auto acts = suspect.acts;
  suspect.acts = [=](auto& writer) {
    acts(writer);
    writer.end_process(io::FlightEnd::Kind::watchdog, 76, 0, "nothing has proceeded");
  };
  run.write(suspect);
  EXPECT_THAT(run.findings().front(), AllOf(is_finding("R-DATA-01", Role::root, 2),
                                            says("ranks 0, 1 waited for it in all_reduce 1842")));
}

TEST(HangDiagnoses, ExplainARunThatGaveUp) {
  RecordedRun run(3);
  run.write({.rank = 0, .in_place = 302, .silent = 1, .acts = [](auto& writer) {
               kWaiting(writer);
               writer.end_process(io::FlightEnd::Kind::watchdog, 76, 0, "nothing has proceeded");
             }});
  // An exception closes the events that it leaves.
  run.write({.rank = 1, .in_place = 302, .silent = 1, .acts = [](auto& writer) {
               kWaiting(writer);
               writer.end(true);
               writer.end(true);
               writer.end_process(io::FlightEnd::Kind::exception, 76, 0, "timed out");
             }});
  RecordedRank suspect = busy_with("wait for a batch", 302);
  suspect.rank = 2;
  suspect.silent = 0.5;
  const auto acts = suspect.acts;
  suspect.acts = [=](auto& writer) {
    acts(writer);
    writer.end_process(io::FlightEnd::Kind::signal, 143, SIGTERM, "TERM");
  };
  run.write(suspect);
  const auto findings = run.findings();
  ASSERT_THAT(codes(findings), ElementsAre("R-DATA-01", "R-END-01", "R-END-02"));
  EXPECT_THAT(findings[0],
              AllOf(is_finding("R-DATA-01", Role::root, 2), says("was in data for 302 s"),
                    says("ranks 0, 1 waited for it in all_reduce 1842")));
  EXPECT_THAT(findings[1], AllOf(is_finding("R-END-01", Role::consequence, 0),
                                 says("ranks 0, 1 gave up waiting")));
  EXPECT_THAT(findings[2], is_finding("R-END-02", Role::teardown, 2));
}

// A user ends a run that hangs: his signal is not the cause.
TEST(HangDiagnoses, ExplainARunThatHungBeforeItWasEnded) {
  const auto ended = [](auto acts) {
    return [=](io::FlightWriter& writer) {
      acts(writer);
      writer.end_process(io::FlightEnd::Kind::signal, 143, SIGTERM, "TERM");
    };
  };
  RecordedRun run(2);
  RecordedRank suspect = busy_with("wait for a batch", 200);
  suspect.rank = 1;
  suspect.acts = ended(suspect.acts);
  run.write({.rank = 0, .in_place = 200, .acts = ended(kWaiting)});
  run.write(suspect);
  const auto findings = run.findings();
  ASSERT_THAT(codes(findings), ElementsAre("R-DATA-01", "R-HOST-04"));
  EXPECT_THAT(findings[1], is_finding("R-HOST-04", Role::teardown, 0));
}

TEST(HangDiagnoses, SeeThatAProcessIsStopped) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::raise(SIGSTOP);
    ::_exit(0);
  }
  ::waitpid(child, nullptr, WUNTRACED);
  RecordedRun run(2);
  run.write({.rank = 0, .in_place = 40, .acts = kWaiting});
  RecordedRank stopped = busy_with("forward", 40);
  stopped.rank = 1;
  stopped.host = host_name();
  stopped.silent = 40;
  stopped.process = child;
  stopped.started_before = -1e9;  // the child is younger than the run of the test
  run.write(stopped);
  const auto findings = run.findings();
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_THAT(findings, ElementsAre(AllOf(is_finding("R-HANG-03", Role::root, 1),
                                          says("is stopped by a signal (state T), for 40 s"),
                                          says("rank 0 waits for it in all_reduce 1842"))));
}

// mpirun continues a stopped process before it ends it, and the process writes a heartbeat again.
TEST(HangDiagnoses, KnowThatAProcessWasStoppedBeforeItsEnd) {
  RecordedRun run(2);
  run.write({.rank = 0, .in_place = 61, .silent = 1, .ended = 1, .acts = [](auto& writer) {
               kWaiting(writer);
               writer.end_process(io::FlightEnd::Kind::exception, 76, 0, "timed out");
             }});
  RecordedRank stopped = busy_with("forward", 60);
  stopped.rank = 1;
  stopped.silent = 0.5;
  stopped.heartbeat = {.longest_gap_seconds = 59, .gap_ended_unix = kNow - 1'000'000'000};
  run.write(stopped);
  EXPECT_THAT(run.findings()[0], AllOf(is_finding("R-HANG-03", Role::root, 1),
                                       says("was stopped for 59 s, and continued")));
}

TEST(HangDiagnoses, KnowThatAProcessWasSilentLongBeforeTheOthersGaveUp) {
  RecordedRun run(2);
  run.write({.rank = 0, .in_place = 61, .silent = 1, .ended = 1, .acts = [](auto& writer) {
               kWaiting(writer);
               writer.end_process(io::FlightEnd::Kind::exception, 76, 0, "timed out");
             }});
  RecordedRank stopped = busy_with("forward", 60);
  stopped.rank = 1;
  stopped.host = "a";
  stopped.silent = 60;
  run.write(stopped);
  EXPECT_THAT(run.findings()[0], AllOf(is_finding("R-HANG-03", Role::root, 1),
                                       says("unlike other ranks of its host")));
}

TEST(HangDiagnoses, NameARankThatNobodyWaitsFor) {
  RecordedRun run(1);
  run.write({.in_place = 90, .acts = [](auto& writer) { writer.begin({.name = "forward"}); }});
  EXPECT_THAT(run.findings(), ElementsAre(AllOf(is_finding("R-HANG-04", Role::root, 0),
                                                says("has been in forward for 90 s"))));
}

TEST(HangDiagnoses, GroupRanksByPlaceWithOutliersFirst) {
  const auto places = places_of(waiting_for(busy_with("wait for a batch", 312)).read());
  ASSERT_EQ(places.size(), 2u);
  EXPECT_THAT(places[0].ranks, ElementsAre(3));
  EXPECT_EQ(places[0].position, "step > wait for a batch");
  EXPECT_THAT(places[1].ranks, ElementsAre(0, 1, 2, 4, 5, 6, 7));
  EXPECT_THAT(places[1].position, HasSubstr("all_reduce 1842"));
}

TEST(HangDiagnoses, GroupRanksByStack) {
  RecordedRun run = waiting_for(busy_with("wait for a batch", 312));
  for (int rank = 0; rank < 8; ++rank) {
    // The thread that trains has the id of the process.
    run.write_file("ranks/rank_0000" + std::to_string(rank) + "/stacks.txt",
                   "rank 0 on a, process 470" + std::to_string(rank) + "\n\nthread 9 x (S)\n" +
                       "  #0 libc.so.6+0x1 clone+0x3\n\nthread 470" + std::to_string(rank) +
                       " t (S)\n  #0 /lib/libc.so.6+0x11a3f4 " + (rank == 5 ? "pread64" : "poll") +
                       "+0x52\n  #1 /opt/x/train+0x99\n");
  }
  const auto places = places_of(run.read());
  ASSERT_EQ(places.size(), 3u);
  EXPECT_THAT(places[1].stack, ElementsAre("pread64", "train+0x99"));
  EXPECT_THAT(places[1].ranks, ElementsAre(5));
  EXPECT_THAT(places[2].ranks, ElementsAre(0, 1, 2, 4, 6, 7));
}

}  // namespace
}  // namespace ripieno::tools::explain
