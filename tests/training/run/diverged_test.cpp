// Runs whose values become infinite or NaN: they end with status 79 and save none of these values.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <limits>

#include "ripieno/core/models/mlp.h"
#include "ripieno/io/files/file_system.h"
#include "ripieno/training/run/finite.h"
#include "training/run/tiny_run.h"

namespace ripieno {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

class DivergedRun : public testing::TestWithParam<int> {
 protected:
  TinyRun tiny() const { return {.directory = directory / "run"}; }
  bool has_checkpoint(int step) const {
    const auto digits = std::to_string(step);
    return std::filesystem::exists(
        directory / ("run/checkpoints/step_" + std::string(8 - digits.size(), '0') + digits));
  }
  // The message with which the run ends; checks that its status is 79.
  std::string end_of(const TinyRun& run) const {
    try {
      run.train_on(GetParam());
    } catch (const RankFailure& failure) {
      EXPECT_EQ(failure.status(), ExitStatus::diverged);
      return failure.what();
    }
    return "no error";
  }
  TemporaryDirectory directory;
};

// Sets an element of a parameter on every rank, after optimizer step `at`.
TinyRun::Fault poisons(int64_t at, float value = kNan) {
  return [=](Session&, optim::Optimizer& optimizer, int64_t step) {
    if (step == at) optimizer.parameters().tensors()[1].detach().data<float>()[2] = value;
  };
}

TEST_P(DivergedRun, EndsAtTheStepWhoseLossIsNotFinite) {
  auto run = tiny();
  run.after_step = poisons(6);
  EXPECT_THAT(end_of(run),
              AllOf(HasSubstr("step 7: the loss is not finite"), HasSubstr("learning rate")));
  EXPECT_TRUE(has_checkpoint(5));
  EXPECT_FALSE(has_checkpoint(10));
  EXPECT_EQ(run.losses().rbegin()->first, 6);
  EXPECT_THAT(io::read_file(io::local_files(), directory / "run/report.html"),
              HasSubstr("<b>step 7</b>"));
}

TEST_P(DivergedRun, EndsIfTheStepIsNotLogged) {
  auto run = tiny();
  run.options.log_every = 100;
  run.after_step = poisons(6);
  EXPECT_THAT(end_of(run), HasSubstr("step 7: the loss is not finite"));
}

TEST_P(DivergedRun, EndsAtTheLastStep) {
  auto run = tiny();
  run.after_step = poisons(11);
  EXPECT_THAT(end_of(run), HasSubstr("step 12: the loss is not finite"));
  EXPECT_TRUE(has_checkpoint(10));
  EXPECT_FALSE(has_checkpoint(12));
}

TEST_P(DivergedRun, SavesNoParameterThatIsNotFinite) {
  auto run = tiny();
  run.after_step = poisons(10);
  EXPECT_THAT(end_of(run), HasSubstr("step 10: a value of parameter "));
  EXPECT_TRUE(has_checkpoint(5));
  EXPECT_FALSE(has_checkpoint(10));
}

TEST_P(DivergedRun, SavesNoOptimizerStateThatIsNotFinite) {
  for (const std::size_t slot : {0, 1}) {
    auto run = tiny();
    run.directory = directory / ("run" + std::to_string(slot));
    run.after_step = [=](Session&, optim::Optimizer& optimizer, int64_t step) {
      if (step == 5) optimizer.state()[slot].arena->flat().data<float>()[0] = kNan;
    };
    EXPECT_THAT(end_of(run), HasSubstr("step 5: a value of optimizer state "));
    EXPECT_TRUE(std::filesystem::is_empty(run.directory + "/checkpoints"));
  }
}

TEST_P(DivergedRun, SavesNoInfiniteParameterAtTheEnd) {
  auto run = tiny();
  run.options.evaluate_every = 1000;
  run.options.steps = 7;
  run.stops_early = [](ripieno::Run&) { return false; };
  run.after_step = poisons(7, std::numeric_limits<float>::infinity());
  EXPECT_THAT(end_of(run), HasSubstr("step 7: "));
  EXPECT_FALSE(has_checkpoint(7));
}

TEST_P(DivergedRun, ContinuesFromAnEarlierCheckpoint) {
  auto run = tiny(), whole = tiny();
  whole.directory = directory / "whole";
  whole.train_on(GetParam());
  run.after_step = poisons(9);
  EXPECT_THAT(end_of(run), HasSubstr("step 10: "));
  run.after_step = {};
  EXPECT_EQ(run.train_on(GetParam()), 0);
  EXPECT_EQ(run.losses(), whole.losses());
}

TEST_P(DivergedRun, EndsIfRanksTrainIndependently) {
  auto run = tiny();
  run.parallel_options.diloco.steps = 3;
  run.after_step = poisons(4);
  EXPECT_THAT(end_of(run), HasSubstr("is not finite"));
  EXPECT_FALSE(has_checkpoint(6));
}

// With loss scaling, an overflow halves the scale and the step is skipped.
TEST_P(DivergedRun, DoesNotEndIfOnlyTheScaledLossOverflows) {
  auto run = tiny();
  run.precision = DType::float16;
  EXPECT_EQ(run.train_on(GetParam()), 0);
  EXPECT_GT(run.skipped_steps().at(12), 0);
}

INSTANTIATE_TEST_SUITE_P(On, DivergedRun, testing::Values(1, 2, 3),
                         [](const auto& ranks) { return std::to_string(ranks.param) + "Ranks"; });

TEST(NotFinite, IsDetectedInEveryElementType) {
  for (const DType dtype : {DType::float32, DType::bfloat16, DType::float16, DType::float64}) {
    for (const double value : {1.0 / 0.0, -1.0 / 0.0, std::nan("")}) {
      const Tensor row = Tensor::full({1, 31}, value, dtype);
      EXPECT_EQ(first_row_not_finite(row), 0);
    }
    EXPECT_EQ(first_row_not_finite(Tensor::full({3, 31}, 60000.0, dtype)), std::nullopt);
    EXPECT_EQ(first_row_not_finite(Tensor::full({3, 31}, 0.0, dtype)), std::nullopt);
  }
  std::vector<float> numbers(3 * 5, 1.0f);
  numbers[11] = kNan;
  EXPECT_EQ(first_row_not_finite(Tensor::of({3, 5}, numbers)), 2);
  EXPECT_EQ(first_row_not_finite(Tensor::full({3, 5}, 7, DType::int32)), std::nullopt);
}

// A loader of samples of which one contains NaN.
class Rows : public io::Loader {
 public:
  Rows(int64_t bad, io::Part part) : bad_(bad), part_(part) {}
  io::Batch next() override {
    const io::Rows rows = io::piece_of(part_.rank, part_.size, batch_size());
    io::Batch batch{Tensor::full({rows.count(), 2}, 0.5),
                    Tensor::zeros({rows.count()}, DType::int32), rows.begin, batch_size()};
    for (int64_t row = rows.begin; row < rows.end; ++row) {
      if (position_ + row == bad_) batch.inputs.data<float>()[2 * (row - rows.begin)] = kNan;
    }
    position_ += batch_size();
    return batch;
  }
  int64_t position() const override { return position_; }
  void seek(int64_t position) override { position_ = position; }
  int64_t batch_size() const override { return 4; }
  std::string_view unit() const override { return "samples"; }
  int64_t units_per_sample() const override { return 1; }
  std::string fingerprint() const override { return "rows"; }
  std::unique_ptr<io::EvaluationSet> held_out(int64_t) const override { return nullptr; }

 private:
  int64_t bad_;
  io::Part part_;
  int64_t position_ = 0;
};

TEST_P(DivergedRun, NamesTheSampleWhoseInputsAreNotFinite) {
  auto group = distributed::in_process(GetParam());
  std::vector<std::jthread> threads;
  std::string message;
  for (std::size_t rank = 0; rank < group.size(); ++rank) {
    threads.emplace_back([&, rank] {
      Session session(std::move(group[rank]));
      Rows loader(23, session);
      nn::Mlp model({2, 3, 2});
      optim::AdamW optimizer(model.parameters());
      distributed::DataParallel parallel(model, optimizer, session.communicator());
      try {
        ripieno::Run run(directory / "rows", session, model, optimizer, loader,
                         {.steps = 20, .parallel = &parallel});
        while (const auto batch = run.next()) {
          parallel.backward(batch->inputs.size(0), [&](int64_t begin, int64_t end) {
            return model.loss(batch->inputs.slice(0, begin, end),
                              batch->targets.slice(0, begin, end));
          });
          parallel.step();
          run.log();
        }
      } catch (const RankFailure& failure) {
        if (!failure.is_silent()) message = failure.what();
      }
    });
  }
  threads.clear();
  EXPECT_THAT(message, AllOf(HasSubstr("step 6: the "), HasSubstr("sample 23 of the run")));
}

}  // namespace
}  // namespace ripieno
