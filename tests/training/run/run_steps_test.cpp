// The steps of a run, next() and log(): in a wrong order, and left early.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>

#include "ripieno/core/error.h"
#include "ripieno/core/ops/reduce.h"
#include "training/run/tiny_run.h"

namespace ripieno {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Key;
using testing::Not;
using testing::ThrowsMessage;

class RunStepsTest : public testing::Test {
 protected:
  TinyRun tiny(const std::string& name) const { return {.directory = directory / name}; }
  TemporaryDirectory directory;
};

// The parts of a run of one rank, and the run, by default without the DataParallel.
struct SmallRun {
  explicit SmallRun(const std::string& directory, int64_t steps = 3, bool has_parallel = false)
      : run(directory, session, model, optimizer, loader,
            {.steps = steps, .parallel = has_parallel ? &parallel : nullptr}) {}

  Session session{distributed::alone()};
  io::TokenLoader loader{io::TokenData::of(tiny_text(), io::Tokenizer::characters_of(tiny_text())),
                         {.batch_size = 8, .context = 16},
                         session};
  nn::Gpt model{{.vocab = 4, .layers = 1, .heads = 2, .channels = 8, .context = 16}};
  optim::AdamW optimizer{model.parameters()};
  distributed::DataParallel parallel{model, optimizer, session.communicator()};
  Loss loss{Tensor::zeros({}), Tensor::full({}, 1.0)};
  Run run;
};

template <typename Call>
void expect_error(const Call& call, const char* message) {
  EXPECT_THAT(call, ThrowsMessage<Error>(HasSubstr(message)));
}

TEST_F(RunStepsTest, RejectsASecondBatchBeforeTheFirstIsLogged) {
  SmallRun it(directory / "run");
  it.run.next();
  expect_error([&] { it.run.next(); }, "end each step with log()");
}

TEST_F(RunStepsTest, RejectsALossBeforeTheFirstBatchAndASecondOneAfterLog) {
  SmallRun it(directory / "run");
  expect_error([&] { it.run.log(it.loss); }, "log() was called without a batch, after step 0");
  expect_error([&] { it.run.add(it.loss); }, "add() was called without a batch");
  it.run.next();
  it.run.log(it.loss);
  expect_error([&] { it.run.log(it.loss); }, "log() was called without a batch, after step 1");
  EXPECT_EQ(it.run.step(), 1);
}

TEST_F(RunStepsTest, RejectsALossAfterItsEnd) {
  SmallRun it(directory / "run", 1);
  it.run.next();
  it.run.log(it.loss);
  expect_error([&] { it.run.log(it.loss); }, "log() was called after the run had ended at step 1");
}

TEST_F(RunStepsTest, RejectsALossAfterFinishInTheSameStep) {
  SmallRun it(directory / "run");
  it.run.next();
  it.run.finish();
  expect_error([&] { it.run.log(it.loss); }, "call finish() after log()");
}

TEST_F(RunStepsTest, NamesTheCallWithALossThatIsNotTwoNumbers) {
  SmallRun it(directory / "run");
  it.run.next();
  expect_error([&] { it.run.log(Loss{}); }, "run.log: the sum of the loss is undefined");
  expect_error([&] { it.run.add(Loss{Tensor::zeros({}), {}}); }, "run.add: its count is undefined");
  expect_error(
      [&] {
        it.run.log(Loss{Tensor::zeros({3}), Tensor::full({}, 1.0)});
      },
      "run.log: the sum of the loss has 3 elements");
  it.run.log(it.loss);
}

// It has the loss of all ranks; one without rows has none of its own.
TEST_F(RunStepsTest, IgnoresTheLossIfThereIsADataParallel) {
  SmallRun it(directory / "run", 3, /*has_parallel=*/true);
  const auto batch = it.run.next();
  it.parallel.backward(it.model.loss(batch->inputs, batch->targets));
  it.parallel.step();
  it.run.log(Loss{});
  EXPECT_EQ(it.run.step(), 1);
}

TEST_F(RunStepsTest, LeftBetweenTheOptimizersStepAndLogCountTheStep) {
  auto whole = tiny("whole"), run = tiny("run");
  whole.train_on(2);
  run.leaves_before_log = [](int64_t step) { return step == 7; };
  run.options.messages = std::tmpfile();
  EXPECT_EQ(run.train_on(2), 0);
  EXPECT_TRUE(std::filesystem::exists(run.directory + "/checkpoints/step_00000007"));
  EXPECT_GT(std::ftell(run.options.messages), 0);
  std::fclose(run.options.messages);
  run.options.messages = nullptr;
  run.leaves_before_log = {};
  run.options.steps = 13;
  run.train_on(2);
  auto losses = whole.losses();
  losses.erase(7);  // has no line
  for (const auto& [step, loss] : losses) EXPECT_EQ(run.losses().at(step), loss) << step;
  EXPECT_THAT(run.losses(), Not(Contains(Key(7))));
}

TEST_F(RunStepsTest, LeftBeforeTheOptimizersStepRepeatsTheStepLater) {
  auto whole = tiny("whole"), run = tiny("run");
  whole.options.steps = 13;
  whole.train_on(2);
  run.leaves_before_optimizer = [](int64_t step) { return step == 7; };
  EXPECT_EQ(run.train_on(2), 0);
  EXPECT_TRUE(std::filesystem::exists(run.directory + "/checkpoints/step_00000006"));
  run.leaves_before_optimizer = {};
  run.options.steps = 13;
  run.train_on(2);
  EXPECT_EQ(run.losses(), whole.losses());
}

TEST_F(RunStepsTest, LeftInItsFirstStepIsSavedIfTheOptimizerTookIt) {
  auto taken = tiny("taken"), untouched = tiny("untouched");
  taken.leaves_before_log = untouched.leaves_before_optimizer = [](int64_t) { return true; };
  taken.train_on(1);
  untouched.train_on(1);
  EXPECT_TRUE(std::filesystem::exists(taken.directory + "/checkpoints/step_00000001"));
  EXPECT_FALSE(std::filesystem::exists(untouched.directory + "/checkpoints/step_00000000"));
}

TEST_F(RunStepsTest, CallTheActionAfterEachValidationOnEveryRank) {
  auto run = tiny("run");
  std::atomic<int> calls = 0;
  run.before_loop = [&](ripieno::Run& it) {
    it.after_validation([&](const io::StepMetrics& metrics) {
      ++calls;
      EXPECT_EQ(metrics, it.validated());
      EXPECT_EQ(metrics.step, it.step());
      EXPECT_TRUE(metrics.get(io::metric::kValidationLoss).has_value());
    });
  };
  run.train_on(3);
  EXPECT_EQ(calls, 3 * 3);  // steps 4, 8, 12
}

TEST_F(RunStepsTest, EndIfTheActionAfterAValidationFinishesTheRun) {
  for (const int64_t step : {8, 12}) {
    auto run = tiny("run" + std::to_string(step));
    run.before_loop = [&](ripieno::Run& it) {
      it.after_validation([&it, step](const io::StepMetrics&) {
        if (it.step() == step) it.finish();
      });
    };
    EXPECT_EQ(run.train_on(2), 0);
    EXPECT_EQ(run.losses().rbegin()->first, step);
    int64_t steps = 0;
    EXPECT_EQ(run.train_on(2, [&](Session&, int64_t) { ++steps; }), 0);
    EXPECT_EQ(steps, 0);
  }
}

TEST_F(RunStepsTest, LeftEarlyValidatesSavesReportsAndStaysFinished) {
  for (const bool calls_finish : {false, true}) {
    auto run = tiny(calls_finish ? "finish" : "break");
    run.stops_early = [&](ripieno::Run& it) {
      if (it.step() == 7 && calls_finish) it.finish();
      return it.step() == 7;
    };
    EXPECT_EQ(run.train_on(2), 0);
    EXPECT_TRUE(std::filesystem::exists(run.directory + "/checkpoints/step_00000007"));
    EXPECT_TRUE(std::filesystem::exists(run.directory + "/report.html"));
    EXPECT_THAT(run.validation_losses(), testing::Contains(testing::Key(7)));
    int64_t steps = 0;
    EXPECT_EQ(run.train_on(2, [&](Session&, int64_t) { ++steps; }), 0);
    EXPECT_EQ(steps, 0);
  }
}

TEST_F(RunStepsTest, LeftEarlyRightAfterASaveStaysFinished) {
  auto run = tiny("run");
  run.stops_early = [](ripieno::Run& it) { return it.step() == 5; };
  EXPECT_EQ(run.train_on(1), 0);
  int64_t steps = 0;
  EXPECT_EQ(run.train_on(1, [&](Session&, int64_t) { ++steps; }), 0);
  EXPECT_EQ(steps, 0);
}

TEST_F(RunStepsTest, LeftEarlyContinuesToALargerNumberOfSteps) {
  auto whole = tiny("whole"), run = tiny("run");
  whole.options.steps = 14;
  whole.train_on(1);
  run.stops_early = [](ripieno::Run& it) { return it.step() == 7; };
  run.train_on(1);
  run.stops_early = {};
  run.options.steps = 14;
  run.train_on(1);
  EXPECT_EQ(run.losses(), whole.losses());
}

}  // namespace
}  // namespace ripieno
