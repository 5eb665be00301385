// Runs with bad steps that stop, skip them, or roll back to a checkpoint (SafetyOptions).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>

#include "ripieno/core/models/mlp.h"
#include "ripieno/io/checkpoint/checkpoint.h"
#include "ripieno/io/files/file_system.h"
#include "ripieno/training/run/finite.h"
#include "training/run/tiny_run.h"

namespace ripieno {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using OnBadStep = SafetyOptions::OnBadStep;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr int64_t kBatch = 4;

// Samples that are functions of their numbers, of which some have other values.
struct Samples {
  std::function<bool(int64_t)> is_bad = [](int64_t) { return false; };
  float bad = kNan;
  int64_t missing_batch = -1;  // not among the data, so that the later ones follow earlier
};

Samples bad_batch(int64_t batch) {
  return {.is_bad = [=](int64_t sample) { return sample == batch * kBatch + 2; }};
}

class SampleLoader : public io::Loader {
 public:
  SampleLoader(Samples samples, io::Part part, DType dtype)
      : samples_(std::move(samples)), part_(part), dtype_(dtype) {}
  io::Batch next() override {
    const io::Rows rows = io::rows_of(part_, kBatch);
    const Tensor inputs = Tensor::zeros({rows.count(), 3});
    const Tensor targets = Tensor::zeros({rows.count()}, DType::int32);
    for (int64_t row = 0; row < rows.count(); ++row) {
      int64_t sample = position_ + rows.begin + row;
      const int64_t missing = samples_.missing_batch;
      if (missing >= 0 && sample >= missing * kBatch) sample += kBatch;
      for (int64_t i = 0; i < 3; ++i) {
        const auto value = static_cast<float>((sample * 7 + i * 5) % 11) / 11.0f;
        inputs.data<float>()[3 * row + i] = samples_.is_bad(sample) ? samples_.bad : value;
      }
      targets.data<int32_t>()[row] = static_cast<int32_t>(sample % 2);
    }
    position_ += kBatch;
    return {inputs.to(dtype_), targets, rows.begin, kBatch};
  }
  int64_t position() const override { return position_; }
  void seek(int64_t position) override { position_ = position; }
  int64_t batch_size() const override { return kBatch; }
  std::string_view unit() const override { return "samples"; }
  int64_t units_per_sample() const override { return 1; }
  std::string fingerprint() const override { return "samples"; }
  std::unique_ptr<io::EvaluationSet> held_out(int64_t) const override { return nullptr; }

 private:
  Samples samples_;
  io::Part part_;
  DType dtype_;
  int64_t position_ = 0;
};

struct Killed {};

struct SafeRun {
  std::string directory;
  int ranks = 1;
  Samples samples = {};
  RunOptions options = {.steps = 14, .checkpoint_every = 5};
  distributed::DataParallelOptions parallel = {};
  DType dtype = DType::float32;
  int64_t killed_after = -1;  // a step
  bool reaches_parallel = true;

  struct Outcome {
    int status = -1;
    std::string error, messages;
    std::vector<float> parameters;
    bool is_finite = false;
    std::vector<int64_t> steps;  // run.step() at the begin of each step
  };

  Outcome train() const {
    Outcome outcome;
    auto group = distributed::in_process(ranks);
    std::FILE* const messages = std::tmpfile();
    std::vector<std::jthread> threads;
    for (std::size_t rank = 0; rank < group.size(); ++rank) {
      threads.emplace_back([&, rank] {
        Outcome unused;
        Session session(std::move(group[rank]));
        train_rank(session, rank == 0 ? messages : nullptr, rank == 0 ? outcome : unused);
      });
    }
    threads.clear();
    std::rewind(messages);
    for (int c; (c = std::fgetc(messages)) != EOF;) outcome.messages += static_cast<char>(c);
    std::fclose(messages);
    return outcome;
  }

  std::map<int64_t, double> losses() const { return TinyRun{.directory = directory}.losses(); }
  // Of the training state of a checkpoint.
  nlohmann::json left_out_at(int step) const {
    const auto path = directory + "/checkpoints/step_" + (step < 10 ? "0000000" : "000000");
    return io::Checkpoint::open(io::local_files(), path + std::to_string(step))
        .training_state()
        .value("left_out", nlohmann::json());
  }
  std::map<int64_t, double> values(const char* name) const {
    return TinyRun{.directory = directory}.values(name);
  }

 private:
  void train_rank(Session& session, std::FILE* messages, Outcome& outcome) const {
    random_context() = {.seed = 5};
    session.set_slots(parallel.slots);
    SampleLoader loader(samples, session, dtype);
    nn::Mlp model({3, 5, 2});
    model.to(Device::cpu(), dtype);
    optim::AdamW optimizer(model.parameters(),
                           {.learning_rate = 1e-2, .scales_loss = dtype == DType::float16});
    try {
      distributed::DataParallel data_parallel(model, optimizer, session.communicator(), parallel);
      RunOptions all = options;
      if (reaches_parallel) all.parallel = &data_parallel;
      all.messages = messages;
      ripieno::Run run(directory, session, model, optimizer, loader, all);
      while (const auto batch = run.next()) {
        outcome.steps.push_back(run.step());
        data_parallel.backward(batch->inputs.size(0), [&](int64_t begin, int64_t end) {
          return model.loss(batch->inputs.slice(0, begin, end),
                            batch->targets.slice(0, begin, end));
        });
        data_parallel.step();
        run.log();
        if (run.step() == killed_after) throw Killed();
      }
      outcome.status = run.exit_status();
    } catch (const Killed&) {
    } catch (const RankFailure& failure) {
      outcome.status = static_cast<int>(failure.status());
      outcome.error = failure.what();
    } catch (const std::exception& error) {
      outcome.error = error.what();
    }
    outcome.parameters = model.parameters().values().flat().to(DType::float32).to_vector<float>();
    outcome.is_finite = first_not_finite(model.parameters()).empty();
  }
};

class Safety : public testing::TestWithParam<int> {
 protected:
  SafeRun run(const char* name, OnBadStep on_bad_step = OnBadStep::stop) const {
    SafeRun made{.directory = directory / name, .ranks = GetParam()};
    made.options.safety.on_bad_step = on_bad_step;
    return made;
  }
  // A run over the same data without that batch.
  SafeRun undisturbed(int64_t batch) const {
    auto made = run("undisturbed");
    made.samples = bad_batch(batch);
    made.samples.missing_batch = batch;
    return made;
  }
  TemporaryDirectory directory;
};

TEST_P(Safety, StopsByDefault) {
  auto stopped = run("run");
  stopped.samples = bad_batch(6);
  const auto outcome = stopped.train();
  EXPECT_EQ(outcome.status, 79);
  EXPECT_THAT(outcome.error, AllOf(HasSubstr("step 7: the loss is not finite"),
                                   HasSubstr("sample 26 of the run")));
}

// The parameters of training by hand, in which the optimizer is not called for the batch.
std::vector<float> parameters_without_step(int ranks, int64_t steps, int64_t bad) {
  std::vector<float> parameters;
  auto group = distributed::in_process(ranks);
  std::vector<std::jthread> threads;
  for (std::size_t rank = 0; rank < group.size(); ++rank) {
    threads.emplace_back([&, rank] {
      Session session(std::move(group[rank]));
      random_context() = {.seed = 5};
      SampleLoader loader({}, session, DType::float32);
      nn::Mlp model({3, 5, 2});
      optim::AdamW optimizer(model.parameters(), {.learning_rate = 1e-2});
      distributed::DataParallel parallel(model, optimizer, session.communicator());
      for (int64_t step = 0; step < steps; ++step) {
        const auto batch = loader.next();
        if (step == bad) continue;
        parallel.backward(model.loss(batch.inputs, batch.targets));
        parallel.step();
      }
      parallel.synchronize_parameters();
      if (rank == 0) parameters = model.parameters().values().flat().to_vector<float>();
    });
  }
  threads.clear();
  return parameters;
}

TEST_P(Safety, SkipsABadStepAsIfTheOptimizerHadNotBeenCalled) {
  auto skipping = run("run", OnBadStep::skip);
  skipping.samples = bad_batch(6);
  const auto outcome = skipping.train();
  EXPECT_EQ(outcome.status, 0) << outcome.error;
  EXPECT_EQ(outcome.parameters, parameters_without_step(GetParam(), 14, 6));
  EXPECT_EQ(skipping.values(io::metric::kSkippedSteps).at(14), 1);
  EXPECT_THAT(outcome.messages,
              HasSubstr("step 7: the gradient is not finite; the step is skipped (1 since"));
}

TEST_P(Safety, KeepsCountingSkippedStepsWhenResumed) {
  auto skipping = run("run", OnBadStep::skip);
  skipping.samples = bad_batch(3);
  skipping.killed_after = 8;
  skipping.train();
  skipping.killed_after = -1;
  EXPECT_EQ(skipping.train().parameters, parameters_without_step(GetParam(), 14, 3));
  EXPECT_EQ(skipping.values(io::metric::kSkippedSteps).at(14), 1);
}

TEST_P(Safety, StopsIfTooManyStepsInARowAreBad) {
  auto skipping = run("run", OnBadStep::skip);
  skipping.samples.is_bad = [](int64_t sample) { return sample >= 24; };
  skipping.options.steps = 1000;
  const auto outcome = skipping.train();
  EXPECT_EQ(outcome.status, 79);
  EXPECT_THAT(outcome.error, HasSubstr("50 steps before it were skipped in a row"));
  EXPECT_TRUE(outcome.is_finite);
}

TEST_P(Safety, RollsBackAndLeavesTheBadBatchOut) {
  auto rolling = run("run", OnBadStep::rollback), other = undisturbed(7);
  rolling.samples = bad_batch(7);
  const auto outcome = rolling.train(), expected = other.train();
  EXPECT_EQ(outcome.status, 0) << outcome.error;
  EXPECT_EQ(rolling.losses(), other.losses());
  EXPECT_EQ(outcome.parameters, expected.parameters);
  EXPECT_EQ(outcome.steps,
            (std::vector<int64_t>{0, 1, 2, 3, 4, 5, 6, 7, 5, 6, 7, 8, 9, 10, 11, 12, 13}));
  EXPECT_EQ(rolling.values(io::metric::kRollbacks).at(14), 1);
  EXPECT_THAT(outcome.messages,
              AllOf(HasSubstr("step 8: the loss is not finite; the inputs of sample 30 are not"),
                    HasSubstr("rolled back to step 5"), HasSubstr("samples 28 to 31 are left out"),
                    HasSubstr("rollback 1 of")));
}

// The samples of a batch with finite, but huge inputs.
Samples huge_batch(int64_t batch) {
  auto samples = bad_batch(batch);
  samples.bad = 1e4f;
  return samples;
}

TEST_P(Safety, RollsBackIfTheLossIsAnOutlier) {
  auto rolling = run("run", OnBadStep::rollback), other = undisturbed(42);
  rolling.samples = huge_batch(42);
  rolling.options.safety.loss_outlier_factor = 10;
  rolling.options.steps = other.options.steps = 50;
  const auto outcome = rolling.train(), expected = other.train();
  EXPECT_EQ(outcome.status, 0) << outcome.error;
  EXPECT_EQ(outcome.parameters, expected.parameters);
  EXPECT_EQ(rolling.values(io::metric::kRollbacks).at(50), 1);
  EXPECT_THAT(outcome.messages,
              AllOf(HasSubstr("step 43: the loss of "),
                    HasSubstr("more than safety.loss_outlier_factor=10 times their deviation"),
                    HasSubstr("rolled back to step 40"), HasSubstr("samples 168 to 171")));
}

TEST_P(Safety, StopsIfTheLossIsAnOutlierOnlyIfThatIsEnabled) {
  auto stopping = run("run");
  stopping.samples = huge_batch(42);
  stopping.options.steps = 50;
  EXPECT_EQ(stopping.train().status, 0);
  stopping.directory = directory / "other";
  stopping.options.safety.loss_outlier_factor = 10;
  const auto outcome = stopping.train();
  EXPECT_EQ(outcome.status, 79);
  EXPECT_THAT(outcome.error, HasSubstr("step 43: the loss of "));
}

TEST_P(Safety, DoesNotSkipForALossWhichIsKnownTooLate) {
  auto skipping = run("run", OnBadStep::skip);
  skipping.options.safety.loss_outlier_factor = 10;
  EXPECT_THAT(skipping.train().error, HasSubstr("cannot be combined with safety.on_bad_step=skip"));
}

TEST_P(Safety, RollsBackInTheLastStepAndIfItIsNotLogged) {
  auto rolling = run("run", OnBadStep::rollback), other = undisturbed(13);
  rolling.samples = bad_batch(13);
  rolling.options.log_every = other.options.log_every = 7;
  EXPECT_EQ(rolling.train().parameters, other.train().parameters);
  EXPECT_EQ(rolling.losses(), other.losses());
}

TEST_P(Safety, RollsBackForSeveralBadBatches) {
  auto rolling = run("run", OnBadStep::rollback);
  rolling.samples.is_bad = [](int64_t sample) {
    return sample == 29 || sample == 33 || sample == 43 || sample == 61;
  };
  const auto outcome = rolling.train();
  EXPECT_EQ(outcome.status, 0) << outcome.error;
  EXPECT_EQ(rolling.values(io::metric::kRollbacks).at(14), 4);
  EXPECT_EQ(rolling.values(io::metric::kSamples).at(14), (14 + 4) * kBatch);
}

TEST_P(Safety, LeavesTheBatchOutWhenKilledAndResumedAfterTheRollback) {
  auto other = undisturbed(7);
  other.train();
  for (const int64_t killed_after : {6, 9, 12}) {
    auto rolling = run(killed_after == 6   ? "6"
                       : killed_after == 9 ? "9"
                                           : "12",
                       OnBadStep::rollback);
    rolling.samples = bad_batch(7);
    rolling.killed_after = killed_after;
    rolling.train();
    rolling.killed_after = -1;
    EXPECT_EQ(rolling.train().status, 0);
    EXPECT_EQ(rolling.losses(), other.losses()) << killed_after;
    EXPECT_EQ(rolling.values(io::metric::kRollbacks).at(14), 1) << killed_after;
  }
}

TEST_P(Safety, KeepsTheBatchesThatAreLeftOutInCheckpoints) {
  auto rolling = run("run", OnBadStep::rollback);
  rolling.samples = bad_batch(7);
  rolling.train();
  EXPECT_EQ(rolling.left_out_at(10), (nlohmann::json{{28, 32}}));
}

// The last sample before those that are left out becomes bad when it is read for the second time.
TEST_P(Safety, LeavesOutABatchBeforeThoseThatAreLeftOut) {
  auto rolling = run("run", OnBadStep::rollback);
  const auto has_begun = std::make_shared<std::atomic<bool>>(false);
  rolling.samples.is_bad = [=](int64_t sample) {
    if (sample == 30) *has_begun = true;
    return sample == 30 || (sample == 26 && *has_begun);
  };
  EXPECT_EQ(rolling.train().status, 0);
  EXPECT_EQ(rolling.left_out_at(10), (nlohmann::json{{24, 28}, {28, 32}}));
}

TEST_P(Safety, StopsAfterRollbacksWithoutProgress) {
  auto rolling = run("run", OnBadStep::rollback);
  rolling.samples.is_bad = [](int64_t sample) { return sample >= 30; };
  const auto outcome = rolling.train();
  EXPECT_EQ(outcome.status, 79);
  EXPECT_THAT(outcome.error,
              HasSubstr("step 8: the loss is not finite, after safety.max_rollbacks=3 rollbacks to "
                        "step 5; the inputs of sample 40 of the run"));
  EXPECT_EQ(std::count(outcome.steps.begin(), outcome.steps.end(), 5), 4);
}

TEST_P(Safety, StopsIfThereIsNoCheckpointToRollBackTo) {
  auto rolling = run("run", OnBadStep::rollback);
  rolling.samples = bad_batch(3);
  const auto outcome = rolling.train();
  EXPECT_EQ(outcome.status, 79);
  EXPECT_THAT(outcome.error, AllOf(HasSubstr("step 4: the loss is not finite, and there is no "
                                             "checkpoint to roll back to yet"),
                                   HasSubstr("sample 14 of the run")));
}

TEST_P(Safety, RollsBackToTheCheckpointThatTheRunWasStartedFrom) {
  auto first = run("first");
  first.options.steps = 10;
  first.train();
  auto old = run("run");
  old.options.steps = 5;
  old.train();  // leaves an older checkpoint of another training in the directory
  auto rolling = run("run", OnBadStep::rollback);
  rolling.options.resume = first.directory + "/checkpoints/step_00000010";
  rolling.samples = bad_batch(11);
  const auto outcome = rolling.train();
  EXPECT_EQ(outcome.status, 0) << outcome.error;
  EXPECT_THAT(outcome.messages, HasSubstr("rolled back to step 10 (" + first.directory));
}

TEST_P(Safety, SkipsAndRollsBackInStrictMode) {
  for (const auto on_bad_step : {OnBadStep::skip, OnBadStep::rollback}) {
    auto strict = run(on_bad_step == OnBadStep::skip ? "skip" : "rollback", on_bad_step);
    auto alone = strict;
    alone.directory += "_alone";
    alone.ranks = 1;
    strict.parallel.slots = alone.parallel.slots = kBatch;
    strict.samples = alone.samples = bad_batch(7);
    const auto outcome = strict.train();
    EXPECT_EQ(outcome.status, 0) << outcome.error;
    EXPECT_TRUE(outcome.is_finite);
    EXPECT_EQ(outcome.parameters, alone.train().parameters);
    EXPECT_EQ(strict.losses(), alone.losses());
  }
}

TEST_P(Safety, SkipsAndRollsBackWithShardedGradients) {
  auto skipping = run("skip", OnBadStep::skip), rolling = run("rollback", OnBadStep::rollback);
  auto other = undisturbed(7);
  skipping.samples = rolling.samples = bad_batch(7);
  skipping.parallel.shard = rolling.parallel.shard = distributed::Shard::gradients;
  EXPECT_EQ(skipping.train().parameters, parameters_without_step(GetParam(), 14, 7));
  other.parallel.shard = distributed::Shard::gradients;
  EXPECT_EQ(rolling.train().parameters, other.train().parameters);
}

TEST_P(Safety, SkipsInFloat16WithoutEnding) {
  auto half = run("run", OnBadStep::skip);
  half.dtype = DType::float16;
  half.samples = bad_batch(7);
  const auto outcome = half.train();
  EXPECT_EQ(outcome.status, 0) << outcome.error;
  EXPECT_TRUE(outcome.is_finite);
  EXPECT_GE(half.values(io::metric::kSkippedSteps).at(14), 1);
}

TEST_P(Safety, TreatsAnOutlierAsABadStep) {
  for (const auto on_bad_step : {OnBadStep::stop, OnBadStep::skip, OnBadStep::rollback}) {
    auto guarded = run(on_bad_step == OnBadStep::stop   ? "stop"
                       : on_bad_step == OnBadStep::skip ? "skip"
                                                        : "rollback",
                       on_bad_step);
    guarded.samples = bad_batch(31);
    guarded.samples.bad = 1e6f;
    guarded.options.steps = 40;
    guarded.options.safety.outlier_factor = 20;
    const auto outcome = guarded.train();
    const bool stops = on_bad_step == OnBadStep::stop;
    EXPECT_EQ(outcome.status, stops ? 79 : 0) << outcome.error;
    EXPECT_THAT(stops ? outcome.error : outcome.messages,
                AllOf(HasSubstr("step 32: the gradient norm of "),
                      HasSubstr("more than safety.outlier_factor=20 times the mean")));
    if (on_bad_step != OnBadStep::skip) continue;
    EXPECT_EQ(outcome.parameters, parameters_without_step(GetParam(), 40, 31));
  }
}

TEST_P(Safety, RefusesStrategiesWhoseRanksCannotDecideTogether) {
  for (const auto on_bad_step : {OnBadStep::skip, OnBadStep::rollback}) {
    auto diloco = run("diloco", on_bad_step), compressed = run("power_sgd", on_bad_step);
    diloco.parallel.diloco.steps = 3;
    compressed.parallel.power_sgd_rank = 1;
    EXPECT_THAT(diloco.train().error, HasSubstr("parallel.diloco_steps cannot be combined"));
    EXPECT_THAT(compressed.train().error, HasSubstr("parallel.power_sgd_rank cannot be combined"));
    if (GetParam() == 1) continue;
    auto own = run("own", on_bad_step);
    own.reaches_parallel = false;
    EXPECT_THAT(own.train().error, HasSubstr("require RunOptions::parallel on several ranks"));
  }
}

INSTANTIATE_TEST_SUITE_P(On, Safety, testing::Values(1, 2),
                         [](const auto& ranks) { return std::to_string(ranks.param) + "Ranks"; });

}  // namespace
}  // namespace ripieno
