#include <fmt/format.h>

#include "tools/explain/recorded_run.h"

namespace ripieno::tools::explain {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::IsEmpty;

RecordedRank computing(double backward, double communication) {
  return {.acts = [=](auto& writer) {
    take_steps(writer, 40, {0.001, 0.02, backward, communication, 0.005});
  }};
}

TEST(SlowDiagnoses, NameTheRankThatComputesMoreSlowly) {
  RecordedRun run(4);
  run.write(0, 3, computing(0.04, 0.05));
  RecordedRank slow = computing(0.085, 0.005);
  slow.rank = 3;
  slow.host = "d";
  run.write(slow);
  EXPECT_THAT(run.findings(),
              ElementsAre(AllOf(is_finding("R-SLOW-01", Role::root, 3),
                                says("rank 3 (host d, pid 4703) takes 1.7 times as long"),
                                says("backward (85 ms instead of 40 ms)"))));
}

TEST(SlowDiagnoses, NameTheHostIfAllItsRanksAreSlow) {
  RecordedRun run(6);
  run.write(0, 4, computing(0.04, 0.05));
  RecordedRank slow = computing(0.085, 0.005);
  slow.host = "d";
  run.write(4, 6, slow);
  const auto findings = run.findings();
  ASSERT_THAT(findings, ElementsAre(AllOf(is_finding("R-SLOW-01", Role::root, 4),
                                          says("host d (ranks 4, 5) takes"))));
}

TEST(SlowDiagnoses, AreSilentAboutSmallDifferences) {
  RecordedRun run(2);
  run.write(0, 1, computing(0.04, 0.01));
  run.write(1, 2, computing(0.044, 0.006));
  EXPECT_THAT(run.findings(), IsEmpty());
}

// Metrics of 12,060 steps; from step 12,040 on each takes twice as long.
std::string metrics(const std::string& slowest = "", int64_t changes_at = 12'040) {
  std::string text;
  for (int64_t step = 1; step <= 12'060; step += step < 11'000 ? 20 : 1) {
    const bool is_slow = step >= changes_at;
    const double noise = 1 + 0.02 * static_cast<double>(step % 5);
    const double communication = (is_slow ? 0.104 : 0.004) * noise;
    text += fmt::format(R"({{"step":{},"loss":1.5,"seconds":{{"data":0.001,"forward":0.03,)"
                        R"("backward":{},"communication_exposed":{},"optimizer":0.005,)"
                        R"("checkpoint":{},"total":{}}}{}}})",
                        step, 0.06 * noise, communication, step % 1000 == 1 ? 5 : 0,
                        0.036 + 0.06 * noise + communication + (step % 1000 == 1 ? 5 : 0),
                        is_slow ? slowest : "") +
            "\n";
  }
  return text;
}

TEST(SlowDiagnoses, NameTheStepAndTheHostWhereStepsBecameSlower) {
  RecordedRun run(2);
  run.write_file("metrics.jsonl", metrics());
  const auto steps = [](double after) {
    return [=](io::FlightWriter& writer) {
      take_steps(writer, 220, {0.001, 0.03, 0.06, 0.004, 0.005}, 11'820);
      take_steps(writer, 21, {0.001, 0.03, 0.06, after, 0.005}, 12'040);
    };
  };
  run.write({.rank = 0, .host = "a", .acts = steps(0.03)});
  run.write({.rank = 1, .host = "c", .acts = steps(0.104)});
  const auto findings = run.findings();
  EXPECT_THAT(findings,
              ElementsAre(AllOf(is_finding("R-SLOW-02", Role::root, -1),
                                says("step time doubled at step 12,040 (103 ms to 207 ms), when "
                                     "host c's share of communication went from 4 % to 52 %"))));
  EXPECT_EQ(findings[0].host, "c");
  EXPECT_EQ(findings[0].phase, "communication");
}

// The rings of the ranks are too short for changes that are long ago; metrics.jsonl names a rank.
TEST(SlowDiagnoses, NameTheRankThatHasBeenSlowestSinceThen) {
  RecordedRun run(2);
  run.write_file("metrics.jsonl", metrics(R"(,"slowest":{"rank":1,"score":1.9})"));
  run.write({.rank = 0});
  run.write({.rank = 1, .host = "c"});
  EXPECT_THAT(run.findings(),
              ElementsAre(AllOf(is_finding("R-SLOW-02", Role::root, 1),
                                says("when the share of communication went from 4 % to 52 %; "
                                     "since then rank 1 has been the slowest (host c)"))));
}

TEST(SlowDiagnoses, AreSilentIfStepTimesAreSteady) {
  RecordedRun run(1);
  run.write_file("metrics.jsonl", metrics("", 1'000'000));
  run.write({});
  EXPECT_THAT(run.findings(), IsEmpty());
}

TEST(SlowDiagnoses, AreSilentIfASlowTimeIsOver) {
  std::string text = metrics();
  const std::string fast = metrics("", 1'000'000);
  RecordedRun run(1);
  run.write_file("metrics.jsonl", text + fast + fast);
  run.write({});
  EXPECT_THAT(run.findings(), IsEmpty());
}

TEST(SlowDiagnoses, NameAHostWithMoreThreadsThanCores) {
  RecordedRun run(4);
  RecordedRank crowded = computing(0.04, 0.5);
  crowded.cores = 2;
  crowded.compute_threads = 1;
  run.write(0, 4, crowded);
  EXPECT_THAT(run.findings(),
              ElementsAre(AllOf(is_finding("R-SLOW-03", Role::root, -1),
                                says("host a has 2 cores for 4 ranks with 4 compute threads"))));
}

// As mpirun binds two ranks.
TEST(SlowDiagnoses, CountTheCoresOfAllRanksOfAHost) {
  RecordedRun run(2);
  RecordedRank bound = computing(0.04, 0.005);
  bound.cores = bound.compute_threads = 1;
  bound.processors = {3};
  run.write(bound);
  bound.rank = 1;
  bound.processors = {4};
  run.write(bound);
  EXPECT_THAT(run.findings(), IsEmpty());
  bound.processors = {3};
  run.write(bound);
  EXPECT_THAT(run.findings(), ElementsAre(says("host a has 1 core for 2 ranks")));
}

// Another process on its core interrupts few of its steps, for long.
TEST(SlowDiagnoses, NameARankThatIsSlowInFewSteps) {
  RecordedRun run(2);
  run.write(0, 1, computing(0.004, 0.001));
  run.write({.rank = 1, .acts = [](auto& writer) {
               for (int64_t step = 0; step < 64; ++step)
                 take_steps(writer, 1, {0.001, 0.02, step % 4 ? 0.004 : 0.1, 0.001, 0.005}, step);
             }});
  EXPECT_THAT(run.findings(), ElementsAre(is_finding("R-SLOW-01", Role::root, 1)));
}

TEST(SlowDiagnoses, AreSilentAboutASingleSlowStep) {
  RecordedRun run(2);
  run.write(0, 1, computing(0.004, 0.001));
  run.write({.rank = 1, .acts = [](auto& writer) {
               take_steps(writer, 63, {0.001, 0.02, 0.004, 0.001, 0.005});
               take_steps(writer, 1, {0.001, 0.02, 60, 0.001, 0.005}, 64);
             }});
  EXPECT_THAT(run.findings(), IsEmpty());
}

}  // namespace
}  // namespace ripieno::tools::explain
