// Runs whose ranks train independently between outer steps.
#include <gmock/gmock.h>

#include <algorithm>
#include <filesystem>

#include "ripieno/core/error.h"
#include "ripieno/io/checkpoint/checkpoint.h"
#include "ripieno/io/files/file_system.h"
#include "training/run/tiny_run.h"

namespace ripieno {
namespace {

using testing::AnyOf;
using testing::ElementsAre;
using testing::Key;

class DilocoRun : public testing::Test {
 protected:
  TinyRun run(const std::string& name) {
    return {.directory = directory_ / name,
            .options = {.steps = 16, .checkpoint_every = 5, .evaluate_every = 8},
            .parallel_options = {.diloco = {.steps = 3}}};
  }
  std::vector<std::string> checkpoints(const TinyRun& run) {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(run.directory + "/checkpoints")) {
      names.push_back(entry.path().filename());
    }
    std::sort(names.begin(), names.end());
    return names;
  }
  TemporaryDirectory directory_;
};

// Outer steps happen after steps 3, 6, 8 (for the validation), 11, 14 and 16.
TEST_F(DilocoRun, SavesAtOuterSteps) {
  const auto tiny = run("run");
  tiny.train_on(2);
  EXPECT_THAT(checkpoints(tiny), ElementsAre("step_00000006", "step_00000011", "step_00000016"));
  EXPECT_THAT(tiny.validation_losses(), ElementsAre(Key(8), Key(16)));
}

TEST_F(DilocoRun, ContinuesBitwiseAfterACrash) {
  for (const int ranks : {1, 2, 3}) {
    const auto whole = run("whole" + std::to_string(ranks));
    whole.train_on(ranks);
    const auto broken = run("broken" + std::to_string(ranks));
    EXPECT_THROW(broken.train_on(ranks,
                                 [](Session&, int64_t step) {
                                   if (step == 13) throw Error("a crash");
                                 }),
                 Error);
    int64_t first = 0;
    broken.train_on(ranks, [&](Session& session, int64_t step) {
      if (session.rank() == 0 && first == 0) first = step;
    });
    EXPECT_THAT(first, AnyOf(7, 12)) << "after the newest complete save";
    EXPECT_EQ(broken.losses(), whole.losses());
    EXPECT_EQ(broken.validation_losses(), whole.validation_losses());
  }
}

TEST_F(DilocoRun, SavesTheOuterMomentum) {
  const auto tiny = run("run");
  tiny.train_on(2);
  const auto tensors =
      io::Checkpoint::open(io::local_files(), tiny.directory + "/checkpoints/step_00000016")
          .tensors();
  EXPECT_TRUE(std::any_of(tensors.begin(), tensors.end(), [](const auto& tensor) {
    return tensor.name == "outer_momentum/tokens.weight";
  }));
}

TEST_F(DilocoRun, LogsTheLossOfAllRanks) {
  const auto tiny = run("run");
  auto plain = run("plain");
  plain.parallel_options = {};
  tiny.train_on(2);
  plain.train_on(2);
  EXPECT_NEAR(tiny.losses().at(1), plain.losses().at(1), 1e-6) << "before the ranks diverge";
}

TEST_F(DilocoRun, Learns) {
  const auto tiny = run("run");
  tiny.train_on(2);
  EXPECT_LT(tiny.losses().at(16), 0.75 * tiny.losses().at(1));
}

TEST_F(DilocoRun, StopsAtAnOuterStepAfterASignalAndContinuesBitwise) {
  const auto tiny = run("run"), whole = run("whole");
  whole.train_on(2);  // saves after step 6 as well
  const int status = tiny.train_on(2, [](Session& session, int64_t step) {
    if (step == 4 && session.rank() == 1) session.ask_to_stop();
  });
  EXPECT_EQ(status, 75);
  EXPECT_EQ(tiny.losses().size(), 6u);
  tiny.train_on(2);
  EXPECT_EQ(tiny.losses(), whole.losses());
}

}  // namespace
}  // namespace ripieno
