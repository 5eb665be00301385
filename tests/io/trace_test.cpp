// The trace events of io: saving, loading and verifying a checkpoint, and waiting for a batch.
#include <gmock/gmock.h>

#include "io/checkpoint/sample_state.h"
#include "io/files/crashing_file_system.h"
#include "io/files/recorded_trace.h"
#include "ripieno/io/data/prefetcher.h"

namespace ripieno::io {
namespace {

using testing::ElementsAre;

TEST(TraceOfIo, HasEventsForSavingLoadingAndVerifyingACheckpoint) {
  CrashingFileSystem files;
  RecordedTrace trace;
  const State state = sample_state(1);
  save_checkpoint(files, "run", 1, state, {}, {.attempt = "a"});
  const auto checkpoint = Checkpoint::open(files, "run/step_00000001");
  checkpoint.load(blank_state(state));
  checkpoint.verify();
  ASSERT_THAT(trace.ended, ElementsAre("write of a shard", "save of a checkpoint",
                                       "load of a checkpoint", "verification of a checkpoint"));
  EXPECT_GT(trace.begun[0].bytes, 0);
  EXPECT_EQ(trace.begun[3].bytes, checkpoint.bytes());
}

TEST(TraceOfIo, EndsTheEventIfASaveFails) {
  CrashingFileSystem files;
  RecordedTrace trace;
  files.fail_from("create", 0);
  EXPECT_ANY_THROW(save_checkpoint(files, "run", 1, sample_state(1), {}, {.attempt = "a"}));
  EXPECT_THAT(trace.ended, ElementsAre("write of a shard", "save of a checkpoint"));
}

TEST(TraceOfIo, HasAnEventForTheWaitForABatch) {
  Prefetcher prefetcher([](int64_t) { return Batch(); }, 1);
  RecordedTrace trace;
  prefetcher.next();
  EXPECT_THAT(trace.ended, ElementsAre("wait for a batch"));
}

}  // namespace
}  // namespace ripieno::io
