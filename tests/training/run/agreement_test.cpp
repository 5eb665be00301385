// Runs whose ranks disagree: at startup, or after a bit has flipped.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <filesystem>

#include "ripieno/core/error.h"
#include "ripieno/core/models/mlp.h"
#include "ripieno/training/run/rank_facts.h"
#include "ripieno/training/run/run_saves.h"
#include "ripieno/training/run/same_numbers.h"
#include "ripieno/training/run/training_state.h"
#include "training/run/tiny_run.h"

namespace ripieno {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class AgreementTest : public testing::Test {
 protected:
  TinyRun tiny() const { return {.directory = directory / "run"}; }
  bool has_checkpoint(int step) const { return std::filesystem::exists(directory / name_of(step)); }
  static std::string name_of(int step) {
    const auto digits = std::to_string(step);
    return "run/checkpoints/step_" + std::string(8 - digits.size(), '0') + digits;
  }
  TemporaryDirectory directory;
};

// The error of rank 0 if each rank trains its own run; the other ranks must be silent.
std::string error_of(const std::vector<TinyRun>& of_rank) {
  auto group = distributed::in_process(static_cast<int>(of_rank.size()));
  std::string message;
  std::vector<std::jthread> threads;
  for (std::size_t rank = 0; rank < of_rank.size(); ++rank) {
    threads.emplace_back([&, rank] {
      Session session(std::move(group[rank]));
      try {
        of_rank[rank].train(session);
      } catch (const RankFailure& failure) {
        EXPECT_TRUE(failure.is_silent());
        EXPECT_GT(rank, 0u);
      } catch (const ConfigurationError& error) {
        EXPECT_EQ(rank, 0u);
        message = error.what();
      }
    });
  }
  threads.clear();
  return message;
}

TEST_F(AgreementTest, DetectsRanksWithOtherData) {
  std::vector<TinyRun> runs(3, tiny());
  runs[2].text.replace(0, 4, "dcba");
  EXPECT_THAT(error_of(runs), AllOf(HasSubstr("rank 2 on "), HasSubstr("the data is ")));
}

TEST_F(AgreementTest, DetectsRanksWithOtherOptions) {
  std::vector<TinyRun> runs(2, tiny());
  runs[1].options.steps = 13;
  EXPECT_THAT(error_of(runs), HasSubstr("the number of steps is 13, rank 0 on "));
  runs[1] = tiny();
  runs[1].options.checkpoint_every.reset();
  EXPECT_THAT(error_of(runs), HasSubstr("the checkpoint interval is auto"));
  runs[1] = tiny();
  runs[1].options.evaluation_batch_size = 16;
  EXPECT_THAT(error_of(runs), HasSubstr("the validation batch size is 16, rank 0 on "));
}

TEST_F(AgreementTest, DetectsRanksWithAnotherRunDirectory) {
  std::vector<TinyRun> runs(2, tiny());
  runs[1].directory = directory / "other";
  EXPECT_THAT(error_of(runs), AllOf(HasSubstr("rank 1 on "), HasSubstr("the run directory is "),
                                    HasSubstr("other, rank 0"), HasSubstr("run")));
}

// The error of rank 0 of two ranks that save these steps.
std::string error_of_saves(const std::string& directory, int64_t of_rank_0, int64_t of_rank_1) {
  auto group = distributed::in_process(2);
  std::string message;
  std::vector<std::jthread> threads;
  for (auto& communicator : group) {
    threads.emplace_back([&] {
      Session session(std::move(communicator));
      nn::Mlp model({2, 2});
      optim::AdamW optimizer(model.parameters());
      RunSaves saves(session, optimizer, 0, {.directory = directory});
      const int64_t step = session.rank() == 0 ? of_rank_0 : of_rank_1;
      try {
        saves.save_now(step, [&] { return state_of(model, optimizer); }, {}, {});
      } catch (const ConfigurationError& error) {
        message = error.what();
      } catch (const RankFailure& failure) {
        EXPECT_TRUE(failure.is_silent());
      }
    });
  }
  threads.clear();
  return message;
}

TEST_F(AgreementTest, OfASaveCoversItsStep) {
  EXPECT_EQ(error_of_saves(directory / "saves", 5, 5), "");
  EXPECT_THAT(error_of_saves(directory / "saves", 5, 6),
              AllOf(HasSubstr("rank 1 on "), HasSubstr("the step of the save is 6, rank 0"),
                    HasSubstr("has 5")));
}

TEST_F(AgreementTest, OfAValidationCoversBatchSizeAndPresenceOfData) {
  const auto some = facts_of_validation(16, true), none = facts_of_validation(16, false);
  EXPECT_EQ(some[0].value, "16");
  EXPECT_EQ(some[1].name, none[1].name);
  EXPECT_NE(some[1].value, none[1].value);
}

TEST_F(AgreementTest, OfAProgramCoversBuildKernelsAndDevice) {
  const auto facts = facts_of_program(Device::cpu());
  ASSERT_EQ(facts.size(), 4u);
  // Linkers write build ids of at least 64 bits.
  EXPECT_GE(facts[0].value.size(), 16u);
  EXPECT_EQ(facts[1].value, "the CPU");
  EXPECT_THAT(facts[2].value, HasSubstr("x86-64"));
  EXPECT_GE(facts[3].value.size(), 16u);
  EXPECT_NE(facts[3].value, facts[0].value);
}

TEST_F(AgreementTest, OfSettingsCoversAllKeysExceptPaths) {
  Settings settings;
  int64_t size = 3;
  std::string path = "a";
  settings.add("train.batch_size", &size, "");
  settings.add("data.path", &path, "");
  const auto facts = facts_of(settings);
  ASSERT_EQ(facts.size(), 1u);
  EXPECT_EQ(facts[0].name, "train.batch_size");
  EXPECT_EQ(facts[0].value, "3");
}

void flip_a_bit(Arena& arena) {
  auto* numbers = arena.flat().data<float>();
  numbers[5] = std::bit_cast<float>(std::bit_cast<uint32_t>(numbers[5]) ^ 1u);
}

// Flips a bit after step `at` on one rank, in the parameters or the first optimizer state.
TinyRun::Fault flips(int64_t at, int rank, bool in_state = false) {
  return [=](Session& session, optim::Optimizer& optimizer, int64_t step) {
    if (step != at || session.rank() != rank) return;
    flip_a_bit(in_state ? *optimizer.state().front().arena : optimizer.parameters().values());
  };
}

std::string report(const TinyRun& run, int ranks) {
  try {
    run.train_on(ranks);
  } catch (const RankFailure& failure) {
    EXPECT_EQ(failure.status(), ExitStatus::ranks_differ);
    return failure.what();
  }
  return "";
}

TEST_F(AgreementTest, AFlippedBitIsDetectedAtTheNextCheck) {
  auto run = tiny();
  run.options.check_every = 4;
  run.after_step = flips(6, 1);
  EXPECT_THAT(report(run, 3),
              AllOf(HasSubstr("after step 8 the parameters of rank 1 on "), HasSubstr("(cpu, "),
                    HasSubstr("differ from those of all other ranks")));
  EXPECT_TRUE(has_checkpoint(5));
  EXPECT_FALSE(has_checkpoint(10));
}

TEST_F(AgreementTest, AFlippedBitIsDetectedBeforeItIsSaved) {
  auto run = tiny();
  run.after_step = flips(9, 2);
  EXPECT_THAT(report(run, 3), HasSubstr("after step 10 the parameters of rank 2"));
  EXPECT_TRUE(has_checkpoint(5));
  EXPECT_FALSE(has_checkpoint(10));
}

TEST_F(AgreementTest, AFlippedBitIsDetectedBeforeTheLastSave) {
  auto run = tiny();
  run.after_step = flips(12, 1);
  EXPECT_THAT(report(run, 3), HasSubstr("after step 12 the parameters of rank 1"));
  EXPECT_TRUE(has_checkpoint(10));
  EXPECT_FALSE(has_checkpoint(12));
}

TEST_F(AgreementTest, AFlippedBitInTheOptimizerStateIsDetected) {
  auto run = tiny();
  run.after_step = flips(10, 1, /*in_state=*/true);
  run.options.check_every = 10;
  run.options.checkpoint_every = 100;
  EXPECT_THAT(report(run, 3), HasSubstr("the first_moment of rank 1"));
}

TEST_F(AgreementTest, NamesBothOfTwoRanksThatDiffer) {
  auto run = tiny();
  run.after_step = flips(5, 1);
  EXPECT_THAT(report(run, 2), AllOf(HasSubstr("rank 0 on "), HasSubstr("and rank 1 on "),
                                    HasSubstr("differ from each other")));
  EXPECT_FALSE(has_checkpoint(5));
}

TEST_F(AgreementTest, AnotherLearningRateIsNotReportedAsFaultyHardware) {
  auto run = tiny();
  run.options.check_every = 4;
  run.after_step = [](Session& session, optim::Optimizer& optimizer, int64_t) {
    if (session.rank() == 1) optimizer.set_learning_rate(0.5);
  };
  EXPECT_THAT(report(run, 3),
              AllOf(HasSubstr("the ranks disagree: rank 1"), HasSubstr("the learning rate is 0.5"),
                    Not(HasSubstr("faulty"))));
}

TEST_F(AgreementTest, AnotherLearningRateInASingleStepIsNamed) {
  auto run = tiny();
  run.options.check_every = 8;
  run.after_step = [](Session& session, optim::Optimizer& optimizer, int64_t step) {
    if (session.rank() == 1) optimizer.set_learning_rate(step == 2 ? 0.5 : 1e-2);
  };
  EXPECT_THAT(report(run, 3),
              AllOf(HasSubstr("the ranks disagree: rank 1"),
                    HasSubstr("the learning rate of step 2 is 0.5"), Not(HasSubstr("faulty"))));
}

TEST_F(AgreementTest, EarlierCheckpointsContinueTheRun) {
  auto run = tiny();
  run.after_step = flips(8, 1);
  EXPECT_NE(report(run, 3), "");
  run.after_step = {};
  EXPECT_EQ(run.train_on(3), 0);
  auto whole = tiny();
  whole.directory = directory / "whole";
  whole.train_on(3);
  EXPECT_EQ(run.losses(), whole.losses());
}

TEST_F(AgreementTest, NothingIsCheckedIfChecksAreDisabled) {
  auto run = tiny();
  run.options.check_every = 0;
  run.after_step = flips(6, 1);
  EXPECT_EQ(report(run, 3), "");
}

}  // namespace
}  // namespace ripieno
