#include <chrono>
#include <filesystem>
#include <thread>

#include "io/checkpoint/sample_state.h"
#include "ripieno/io/checkpoint/shard.h"
#include "tools/explain/recorded_run.h"

namespace ripieno::tools::explain {
namespace {

using io::local_files;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

void save(const RecordedRun& run, int64_t step, const io::State& state) {
  io::save_on_ranks(local_files(), run.path() + "/checkpoints", step, 1, state,
                    "once" + std::to_string(step));
}

TEST(CheckpointDiagnoses, PassOnTheMessageOfStorage) {
  RecordedRun run(2);
  run.write({.rank = 0, .activity = "save", .acts = [](auto& writer) {
               writer.end_process(io::FlightEnd::Kind::exception, 74, 0, "no space left");
             }});
  // The others end silently with the same status.
  run.write({.rank = 1, .activity = "save", .acts = [](auto& writer) {
               writer.end_process(io::FlightEnd::Kind::exception, 74, 0, "");
             }});
  const auto findings = run.findings();
  ASSERT_THAT(codes(findings), ElementsAre("R-CKPT-02", "R-END-01"));
  EXPECT_THAT(findings[0],
              AllOf(is_finding("R-CKPT-02", Role::root, 0), says("status 74"), says("no space")));
  EXPECT_EQ(findings[0].phase, "save");
}

TEST(CheckpointDiagnoses, NameADamagedCheckpointAndTheNewestIntactOne) {
  RecordedRun run(1);
  run.write({});
  save(run, 7, io::sample_state(1));
  save(run, 8, io::sample_state(1));
  run.write_file("checkpoints/step_00000008/manifest.json", "{}");
  EXPECT_THAT(run.findings(),
              ElementsAre(AllOf(is_finding("R-CKPT-03", Role::root, -1), says("step_00000008 is"),
                                says("the newest intact one is"), says("step_00000007"))));
  EXPECT_EQ(run.read().saved.intact_step, 7);
}

TEST(CheckpointDiagnoses, AreSilentAboutIntactAndUnfinishedCheckpoints) {
  RecordedRun run(1);
  run.write({});
  save(run, 7, io::sample_state(1));
  std::filesystem::create_directories(run.path() + "/checkpoints/step_00000008.partial");
  EXPECT_THAT(run.findings(), IsEmpty());
  EXPECT_THAT(run.read().saved.unfinished, HasSubstr("step_00000008.partial"));
}

TEST(CheckpointDiagnoses, NameTheTimeThatSavesCost) {
  RecordedRun run(2);
  run.write(0, 2, {.acts = [](auto& writer) { take_steps(writer, 5, {1, 2, 4, 1, 1, 3}); }});
  EXPECT_THAT(run.findings(),
              ElementsAre(AllOf(is_finding("R-CKPT-04", Role::root, -1),
                                says("for 25 % of its time (15 s of 60 s per rank)"))));
}

TEST(CheckpointDiagnoses, NameTheRankThatSavesMoreSlowly) {
  RecordedRun run(3);
  const auto saving = [](double seconds, double communication) {
    return [=](io::FlightWriter& writer) {
      take_steps(writer, 20, {0.001, 0.02, 0.03, communication, 0.005, seconds});
    };
  };
  run.write(0, 2, {.acts = saving(0.001, 0.03)});
  run.write({.rank = 2, .host = "c", .acts = saving(0.03, 0.001)});
  EXPECT_THAT(run.findings(), ElementsAre(AllOf(is_finding("R-CKPT-05", Role::root, 2),
                                                says("most of it in checkpoint"))));
}

// All ranks wait for the end of a save, so only the writing itself tells them apart.
TEST(CheckpointDiagnoses, NameTheRankThatWritesItsPartMoreSlowly) {
  RecordedRun run(2);
  const auto saving = [](int milliseconds) {
    return [=](io::FlightWriter& writer) {
      writer.begin({.name = io::kWriteOfShard});
      std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
      writer.end(false);
      for (int i = 0; i < 100; ++i) {
        writer.begin({.name = "forward"});
        writer.end(false);
      }
      take_steps(writer, 5, {1, 2, 4, 1, 1, 3});
    };
  };
  run.write({.rank = 0, .acts = saving(0)});
  run.write({.rank = 1, .host = "c", .acts = saving(400)});
  EXPECT_THAT(run.findings(),
              ElementsAre(AllOf(is_finding("R-CKPT-05", Role::root, 1),
                                says("rank 1 (host c, pid 4701) takes"),
                                says("training has waited for saves for 25 % of its time"))));
}

}  // namespace
}  // namespace ripieno::tools::explain
