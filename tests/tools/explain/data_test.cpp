#include "tools/explain/recorded_run.h"

namespace ripieno::tools::explain {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::IsEmpty;

RecordedRank reading(double seconds, double others_wait = 0) {
  return {.acts = [=](auto& writer) {
    take_steps(writer, 40, {seconds, 0.02, 0.03, 0.001 + others_wait, 0.005});
  }};
}

TEST(DataDiagnoses, NameARunThatWaitsForItsInput) {
  RecordedRun run(2);
  run.write(0, 2, reading(0.035));
  EXPECT_THAT(run.findings(),
              ElementsAre(AllOf(is_finding("R-DATA-02", Role::root, -1),
                                says("input-bound: 38 % of the step waits for data (35 ms of "
                                     "91 ms), 2 reader threads on 16 cores"))));
}

TEST(DataDiagnoses, NameTheRankThatReadsMoreSlowly) {
  RecordedRun run(3);
  run.write(0, 2, reading(0.001, 0.08));
  RecordedRank slow = reading(0.081);
  slow.rank = 2;
  slow.host = "c";
  run.write(slow);
  const auto findings = run.findings();
  EXPECT_THAT(findings, ElementsAre(AllOf(is_finding("R-DATA-03", Role::root, 2),
                                          says("rank 2 (host c, pid 4702)"),
                                          says("most of it in data (81 ms instead of 1 ms)"))));
  EXPECT_EQ(findings[0].host, "c");
}

TEST(DataDiagnoses, PassOnTheMessageAboutDamagedData) {
  RecordedRun run(1);
  run.write({.acts = [](auto& writer) {
    writer.end_process(io::FlightEnd::Kind::exception, 65, 0, "text.tokens: block 7 is damaged");
  }});
  EXPECT_THAT(run.findings(), ElementsAre(AllOf(is_finding("R-DATA-04", Role::root, 0),
                                                says("text.tokens: block 7 is damaged"))));
}

TEST(DataDiagnoses, NeedEnoughStepsAndTime) {
  RecordedRun few(1), fast(1);
  few.write({.acts = [](auto& writer) { take_steps(writer, 7, {0.5, 0.1}); }});
  fast.write({.acts = [](auto& writer) { take_steps(writer, 40, {0.0005, 0.0001}); }});
  EXPECT_THAT(few.findings(), IsEmpty());
  EXPECT_THAT(fast.findings(), IsEmpty());
}

}  // namespace
}  // namespace ripieno::tools::explain
