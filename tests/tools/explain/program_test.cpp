#include <csignal>

#include "tools/explain/recorded_run.h"

namespace ripieno::tools::explain {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

TEST(ProgramDiagnoses, NameTheRankThatCalledAnotherCollective) {
  RecordedRun run(4);
  run.write(0, 3, {.in_place = 40, .acts = [](auto& writer) { writer.begin(all_reduce(5)); }});
  run.write({.rank = 3, .host = "b", .in_place = 40, .acts = [](auto& writer) {
               auto other = all_reduce(5);
               other.bytes = 8;
               other.digest = 99;
               writer.begin(other);
             }});
  const auto findings = run.findings();
  EXPECT_THAT(findings, ElementsAre(AllOf(is_finding("R-PROG-01", Role::root, 3),
                                          says("called all_reduce of 8 bytes"))));
  EXPECT_EQ(findings[0].host, "b");
}

TEST(ProgramDiagnoses, NameTheRankThatLeftTheLoopEarlier) {
  RecordedRun run(3);
  run.write(0, 2, {.in_place = 40, .acts = [](auto& writer) { writer.begin(all_reduce(5)); }});
  run.write({.rank = 2, .in_place = 41, .ended = 30, .activity = "end", .acts = [](auto& writer) {
               take_steps(writer, 9, {});
               writer.begin(all_reduce(4));
               writer.end(false);
               writer.end_process(io::FlightEnd::Kind::returned, 0, 0, "");
             }});
  EXPECT_THAT(run.findings(),
              ElementsAre(AllOf(is_finding("R-PROG-02", Role::root, 2),
                                says("has ended with status 0 after step 9, but ranks 0, 1 wait "
                                     "for it in all_reduce 5"))));
}

void end_with(RecordedRun& run, int status, const std::string& message) {
  run.write({.acts = [=](auto& writer) {
    writer.end_process(io::FlightEnd::Kind::exception, status, 0, message.c_str());
  }});
}

TEST(ProgramDiagnoses, PassOnTheMessageAboutTheConfiguration) {
  RecordedRun run(1);
  end_with(run, 78, "--set train.lr=1: unknown key");
  EXPECT_THAT(run.findings(),
              ElementsAre(AllOf(is_finding("R-PROG-03", Role::root, 0), says("unknown key"))));
}

TEST(ProgramDiagnoses, NameACrashWithItsStack) {
  RecordedRun run(2);
  run.write({.rank = 0, .ended = 2, .acts = [](auto& writer) {
               writer.begin({.name = "backward"});
               writer.end_process(io::FlightEnd::Kind::signal, 139, SIGSEGV, "SEGV");
             }});
  run.write({.rank = 1, .ended = 1, .acts = [](auto& writer) {
               writer.end_process(io::FlightEnd::Kind::signal, 143, SIGTERM, "TERM");
             }});
  run.write_file("ranks/rank_00000/stacks.txt",
                 "rank 0 on a, process 4700\n\nthread 4700 train (R)\n"
                 "  #0 /opt/train+0x99 my_backward(float*)+0x12\n  #1 /opt/train+0x12 main+0x1\n");
  const auto findings = run.findings();
  ASSERT_THAT(codes(findings), ElementsAre("R-PROG-04", "R-END-02"));
  EXPECT_THAT(findings[0],
              AllOf(is_finding("R-PROG-04", Role::root, 0),
                    says("crashed with signal 11 (SIGSEGV) before the first step was done, in "
                         "step > backward; its stack: my_backward(float*) < main")));
  EXPECT_THAT(findings[0].remedy, HasSubstr("ranks/rank_00000/stacks.txt"));
}

TEST(ProgramDiagnoses, NameCallsThatACommunicatorFoundToDiffer) {
  RecordedRun run(2);
  run.write(0, 2, {.ended = 5, .acts = [](auto& writer) {
                     writer.end_process(
                         io::FlightEnd::Kind::exception, 70, 0,
                         "collectives differ between ranks: rank 0 called one, rank 1 two");
                   }});
  EXPECT_THAT(run.findings(),
              ElementsAre(AllOf(is_finding("R-PROG-01", Role::root, 0), says("rank 1 two"))));
}

TEST(ProgramDiagnoses, PassOnAnyOtherError) {
  RecordedRun run(1);
  end_with(run, 70, "matmul: inner sizes differ");
  EXPECT_THAT(run.findings(), ElementsAre(AllOf(is_finding("R-PROG-05", Role::root, 0),
                                                says("matmul: inner sizes differ"))));
}

TEST(ProgramDiagnoses, PassOnTheLastWordsOfAProgramThatCaughtTheException) {
  RecordedRun run(1);
  run.write({.ended = 5, .acts = [](auto& writer) {
               writer.end_process(io::FlightEnd::Kind::exception, 0, 0, "an exception");
             }});
  EXPECT_THAT(run.findings(), ElementsAre(AllOf(is_finding("R-PROG-05", Role::root, 0),
                                                says("left its run"), says("an exception"))));
  run.write_file("launch/attempt_00001/rank_00000.ended",
                 R"({"rank":0,"host":"a","pid":4700,"time":1999999996,"status":3,"signal":0,)"
                 R"("asked_to_end":false,"last_words":"mine: no more samples"})");
  EXPECT_THAT(run.findings(),
              ElementsAre(AllOf(is_finding("R-PROG-05", Role::root, 0), says("ended with status 3"),
                                says("mine: no more samples"))));
}

TEST(ProgramDiagnoses, NoticeThatRestartsMakeNoProgress) {
  RecordedRun run(1);
  end_with(run, 70, "no");
  run.write_file("run.json", R"({"starts": [{"resumed_from": null}, {"resumed_from": "s/step_9"},
                                 {"resumed_from": "s/step_9"}, {"resumed_from": "s/step_9"}]})");
  const auto findings = run.findings();
  ASSERT_THAT(codes(findings), ElementsAre("R-PROG-05", "R-PROG-06"));
  EXPECT_THAT(findings[1], says("the last 3 starts all began at s/step_9"));
}

}  // namespace
}  // namespace ripieno::tools::explain
