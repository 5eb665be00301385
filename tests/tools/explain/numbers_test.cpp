#include <limits>

#include "io/checkpoint/sample_state.h"
#include "tools/explain/recorded_run.h"

namespace ripieno::tools::explain {
namespace {

using testing::AllOf;
using testing::ElementsAre;

TEST(NumberDiagnoses, NameTheStepAtWhichTrainingDiverged) {
  RecordedRun run(1);
  run.write_file("metrics.jsonl", "{\"step\":10,\"loss\":1.75}\n{\"step\":20,\"loss\":null}\n");
  run.write({.acts = [](auto& writer) {
    writer.end_process(io::FlightEnd::Kind::exception, 79, 0, "step 20: the loss is nan");
  }});
  const auto findings = run.findings();
  ASSERT_THAT(codes(findings), ElementsAre("R-NUM-01", "R-NUM-03"));
  EXPECT_THAT(findings[0],
              AllOf(is_finding("R-NUM-01", Role::root, 0), says("the loss is nan"),
                    says("the last finite loss in metrics.jsonl is 1.75, of step 10")));
}

// The remedies of a run that diverged, whose configuration has this.
std::string remedies_with(const std::string& configuration) {
  RecordedRun run(1);
  run.write_file("metrics.jsonl", "{\"step\":10,\"loss\":null}\n");
  run.write_file("run.json", "{\"starts\":[{\"configuration\":" + configuration + "}]}");
  run.write({.acts = [](auto& writer) {
    writer.end_process(io::FlightEnd::Kind::exception, 79, 0, "step 20: the loss is nan");
  }});
  std::string remedies;
  for (const auto& finding : run.findings())
    remedies += std::string(finding.code) + ": " + finding.remedy + "\n";
  return remedies;
}

TEST(NumberDiagnoses, DoNotAdviseWhatTheRunDoesAlready) {
  using testing::HasSubstr;
  using testing::Not;
  const auto plain = remedies_with(R"({"train": {"precision": "float32"}})");
  EXPECT_THAT(plain, AllOf(HasSubstr("R-NUM-01"), HasSubstr("R-NUM-03"),
                           HasSubstr("safety.on_bad_step=rollback"), Not(HasSubstr("float16"))));
  EXPECT_THAT(remedies_with(R"({"safety": {"on_bad_step": "rollback"}})"),
              AllOf(Not(HasSubstr("on_bad_step")), HasSubstr("--resume PATH")));
  EXPECT_THAT(remedies_with(R"({"train": {"precision": "float16"}})"),
              HasSubstr("use train.precision=bfloat16"));
}

TEST(NumberDiagnoses, PassOnTheMessageAboutRanksThatDiffer) {
  RecordedRun run(1);
  run.write({.acts = [](auto& writer) {
    writer.end_process(io::FlightEnd::Kind::exception, 72, 0, "rank 3 on c differs");
  }});
  EXPECT_THAT(run.findings(), ElementsAre(AllOf(is_finding("R-NUM-02", Role::root, 0),
                                                says("rank 3 on c differs"))));
}

TEST(NumberDiagnoses, CountTheStepsThatAreNotFinite) {
  RecordedRun run(1);
  run.write({});
  run.write_file("metrics.jsonl",
                 "{\"step\":1,\"loss\":2}\n{\"step\":2,\"loss\":2,\"gradient_norm\":null}\n"
                 "{\"step\":2,\"validation_loss\":2}\n"
                 "{\"step\":3,\"loss\":2,\"gradient_norm\":1,\"skipped_steps\":1}\n");
  EXPECT_THAT(run.findings(),
              ElementsAre(AllOf(is_finding("R-NUM-03", Role::root, -1),
                                says("not finite in 1 of 3 lines of metrics.jsonl, first at step "
                                     "2; 1 steps were skipped"))));
}

TEST(NumberDiagnoses, CountTheRollbacks) {
  RecordedRun run(1);
  run.write({});
  run.write_file("metrics.jsonl",
                 "{\"step\":1,\"loss\":2}\n{\"step\":6,\"loss\":2,\"rollbacks\":1}\n"
                 "{\"step\":7,\"loss\":2,\"rollbacks\":2}\n");
  EXPECT_THAT(run.findings(),
              ElementsAre(AllOf(is_finding("R-NUM-05", Role::root, -1),
                                says("2 rollbacks to an earlier checkpoint, the first seen at step "
                                     "6"))));
}

TEST(NumberDiagnoses, NameACheckpointWithNumbersThatAreNotFinite) {
  RecordedRun run(1);
  run.write({});
  Tensor weight = Tensor::zeros({4}, DType::float32);
  weight.data<float>()[1] = std::numeric_limits<float>::quiet_NaN();
  io::save_on_ranks(io::local_files(), run.path() + "/checkpoints", 7, 1,
                    {io::state_of("head.weight", io::StateKind::parameter, weight)}, "once");
  EXPECT_THAT(run.findings(),
              ElementsAre(AllOf(is_finding("R-NUM-04", Role::root, -1),
                                says("has 1 NaN or infinite element, the first in head.weight"))));
}

}  // namespace
}  // namespace ripieno::tools::explain
