#include "ripieno/training/run/initial_parameters.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "ripieno/core/error.h"
#include "ripieno/io/checkpoint/checkpoint.h"
#include "ripieno/io/formats/hdf5.h"
#include "ripieno/training/run/training_state.h"
#include "training/run/tiny_run.h"

namespace ripieno {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::ThrowsMessage;

class InitialParametersTest : public testing::Test {
 protected:
  InitialParametersTest() {
    trained_.options.steps = 5;
    trained_.train_on(2);
    fresh_.options.steps = 1;
    fresh_.options.schedule = optim::Schedule{.peak = 0};  // the first step changes nothing
    fresh_.options.initial.path = checkpoint_;
  }

  static nn::Gpt make_model() {
    return nn::Gpt({.vocab = 4, .layers = 1, .heads = 2, .channels = 8, .context = 16});
  }
  static std::vector<std::vector<float>> parameters_in(const std::string& path) {
    auto model = make_model();
    const auto state = state_of(model);
    io::Checkpoint::open(io::local_files(), path).load(state);
    std::vector<std::vector<float>> numbers;
    for (const auto& tensor : state) numbers.push_back(tensor.part.to_vector<float>());
    return numbers;
  }
  std::vector<std::vector<float>> outcome() const {
    return parameters_in(fresh_.directory + "/checkpoints/step_00000001");
  }
  std::vector<std::string> load(const InitialParameters& initial) const {
    auto model = make_model();
    optim::AdamW optimizer(model.parameters());
    Session session(std::move(distributed::in_process(1)[0]));
    return ripieno::load(initial, session, model, optimizer);
  }

  TemporaryDirectory directory_;
  TinyRun trained_{.directory = directory_ / "trained"};
  TinyRun fresh_{.directory = directory_ / "fresh"};
  const std::string checkpoint_ = trained_.directory + "/checkpoints/step_00000005";
};

TEST_F(InitialParametersTest, AreThoseOfTheCheckpointInANewRun) {
  fresh_.train_on(2);
  EXPECT_EQ(outcome(), parameters_in(checkpoint_));
  EXPECT_THAT(fresh_.losses(), ElementsAre(testing::Key(1)));
}

TEST_F(InitialParametersTest, CanComeFromARunDirectory) {
  fresh_.options.initial.path = trained_.directory;
  fresh_.train_on(1);
  EXPECT_EQ(outcome(), parameters_in(checkpoint_));
}

TEST_F(InitialParametersTest, AreIgnoredWhenResuming) {
  fresh_.train_on(1);
  fresh_.options.initial.path = directory_ / "gone";
  fresh_.options.steps = 2;
  EXPECT_EQ(fresh_.train_on(1), 0);
}

TEST_F(InitialParametersTest, ReachTheMasterWeightsUnrounded) {
  fresh_.precision = DType::bfloat16;
  fresh_.train_on(1);
  EXPECT_EQ(outcome(), parameters_in(checkpoint_));  // loaded from the master weights
}

TEST_F(InitialParametersTest, OfAnotherModelAreRejectedWithARemedy) {
  fresh_.channels = 16;
  EXPECT_THAT([&] { fresh_.train_on(1); }, ThrowsMessage<ConfigurationError>(
                                               AllOf(HasSubstr("tokens.weight was saved as (4, 8)"),
                                                     HasSubstr("checkpoint.strict=false"))));
}

TEST_F(InitialParametersTest, ThatDoNotMatchAreReportedIfTheyNeedNotMatch) {
  auto model = make_model();
  auto state = state_of(model);
  state[0].name = "wte.weight";
  io::save_checkpoint(io::local_files(), directory_ / "other", 1, state, {}, {.attempt = "first"});
  EXPECT_THAT(load({.path = directory_ / "other/step_00000001", .strict = false}),
              ElementsAre(AllOf(HasSubstr("not in the checkpoint, initial values are kept (1)"),
                                HasSubstr("tokens.weight")),
                          AllOf(HasSubstr("not used (1)"), HasSubstr("wte.weight"))));
  EXPECT_THAT(load({.path = directory_ / "other/step_00000001", .rename = "wte.=tokens."}),
              testing::IsEmpty());
}

TEST_F(InitialParametersTest, IncludeBuffers) {
  struct Centred : nn::Module {
    Tensor mean = add_buffer("mean", {2});
    Tensor weight = add_parameter("weight", {2}, nn::Initial::constant(1.0));
  } trained, model;
  trained.to(Device::cpu());
  trained.mean.copy_from(Tensor::full({2}, 3.0));
  io::save_checkpoint(io::local_files(), directory_ / "buffers", 1, state_of(trained), {},
                      {.attempt = "first"});
  optim::AdamW optimizer(model.parameters());
  Session session(std::move(distributed::in_process(1)[0]));
  ripieno::load({.path = directory_ / "buffers/step_00000001"}, session, model, optimizer);
  EXPECT_THAT(model.mean.to_vector<float>(), ElementsAre(3.0f, 3.0f));
}

TEST_F(InitialParametersTest, AreRejectedIfNothingMatches) {
  EXPECT_THAT([&] { load({.path = checkpoint_, .prefix = "encoder.", .strict = false}); },
              ThrowsMessage<ConfigurationError>(HasSubstr("checkpoint.load_prefix")));
}

TEST_F(InitialParametersTest, AreLoadedFromAForeignFileOnlyIfAllowed) {
  auto model = make_model();
  std::vector<std::pair<std::string, Tensor>> data_sets;
  for (const auto& tensor : state_of(model)) data_sets.emplace_back("/" + tensor.name, tensor.part);
  const std::string path = directory_ / "weights.h5";
  io::write_hdf5(io::local_files(), path, data_sets);
  EXPECT_THAT([&] { load({.path = path}); },
              ThrowsMessage<ConfigurationError>(AllOf(HasSubstr("weights.h5 is not a checkpoint"),
                                                      HasSubstr("--set checkpoint.foreign=true"))));
  EXPECT_THAT(load({.path = path, .foreign = true}), testing::IsEmpty());
}

TEST_F(InitialParametersTest, AreReportedIfMissing) {
  EXPECT_THAT([&] { load({.path = directory_ / "nowhere"}); },
              ThrowsMessage<ConfigurationError>(HasSubstr("nowhere")));
}

TEST_F(InitialParametersTest, OfADamagedCheckpointAreRejected) {
  std::filesystem::resize_file(checkpoint_ + "/shard_00000_of_00002.h5", 3000);
  EXPECT_THAT([&] { load({.path = checkpoint_}); },
              ThrowsMessage<DataError>(HasSubstr("shard_00000_of_00002.h5 is damaged")));
  EXPECT_THAT([&] { load({.path = trained_.directory}); },
              ThrowsMessage<DataError>(AllOf(HasSubstr("no intact checkpoint found"),
                                             HasSubstr("shard_00000_of_00002.h5 is damaged"))));
}

}  // namespace
}  // namespace ripieno
