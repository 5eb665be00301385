// Resuming: damaged checkpoints, another number of ranks, another precision.
#include <gmock/gmock.h>

#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "ripieno/core/error.h"
#include "ripieno/io/checkpoint/checkpoint.h"
#include "ripieno/training/run/run_checkpoints.h"
#include "training/run/tiny_run.h"

namespace ripieno {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

void flip(const std::string& path, std::streamoff at) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(at);
  const char byte = static_cast<char>(file.get() ^ 1);
  file.seekp(at);
  file.put(byte);
}

class ResumeTest : public testing::Test {
 protected:
  // Saved after steps 5, 10 and 12.
  TinyRun trained_on(int ranks) {
    TinyRun run{.directory = directory_ / "run"};
    run.train_on(ranks);
    return run;
  }
  static std::string checkpoint(const TinyRun& run, int step) {
    return run.directory + (step < 10 ? "/checkpoints/step_0000000" : "/checkpoints/step_000000") +
           std::to_string(step);
  }
  // Flips a bit in the data of a tensor.
  static void flip_a_number(const std::string& path, std::size_t tensor) {
    std::ifstream file(path + "/manifest.json");
    const auto piece = nlohmann::json::parse(file)["tensors"][tensor]["pieces"][0];
    flip(path + "/" + piece["file"].get<std::string>(), piece["file_offset"]);
  }
  // Continues the run. Returns its first step and its messages.
  std::pair<int64_t, std::string> first_step(TinyRun run, int ranks) {
    run.options.steps = 14;
    const std::string path = directory_ / "messages";
    run.options.messages = std::fopen(path.c_str(), "w");
    int64_t first = 0;
    run.train_on(ranks, [&](Session& session, int64_t step) {
      if (session.rank() == 0 && first == 0) first = step;
    });
    std::fclose(run.options.messages);
    std::ifstream file(path);
    std::ostringstream text;
    text << file.rdbuf();
    return {first, text.str()};
  }

  TemporaryDirectory directory_;
};

TEST_F(ResumeTest, UsesTheNewestIntactCheckpointOnEveryRank) {
  for (const int ranks : {1, 2, 3}) {
    std::filesystem::remove_all(directory_ / "run");
    const auto run = trained_on(2);
    flip_a_number(checkpoint(run, 12), 3);
    flip_a_number(checkpoint(run, 10), 0);
    const auto [first, messages] = first_step(run, ranks);
    EXPECT_EQ(first, 6);
    EXPECT_THAT(messages, AllOf(HasSubstr("step_00000012/shard_00000_of_00002.h5 is damaged"),
                                HasSubstr("step_00000010/shard_00000_of_00002.h5 is damaged")));
  }
}

TEST_F(ResumeTest, RestoresTheLossScaleAndTheNumberOfSkippedSteps) {
  TinyRun whole{.directory = directory_ / "whole", .precision = DType::float16};
  whole.train_on(1);
  TinyRun parts = whole;
  parts.directory = directory_ / "parts";
  for (const int64_t steps : {5, 12}) {
    parts.options.steps = steps;
    parts.train_on(1);
  }
  EXPECT_GT(whole.skipped_steps().at(12), 0);
  EXPECT_EQ(parts.losses(), whole.losses());
  EXPECT_EQ(parts.loss_scales(), whole.loss_scales());
  EXPECT_EQ(parts.skipped_steps(), whole.skipped_steps());
}

TEST_F(ResumeTest, SkipsACheckpointThatOneRankFindsDamaged) {
  const auto run = trained_on(3);
  flip(checkpoint(run, 12) + "/checkpoint.h5", 100);  // verified by one rank only
  const auto [first, messages] = first_step(run, 3);
  EXPECT_EQ(first, 11);
  EXPECT_THAT(messages, HasSubstr("step_00000012/checkpoint.h5 is damaged"));
}

TEST_F(ResumeTest, UsesOnlyTheValuesOfTheOlderCheckpoint) {
  auto run = trained_on(1);
  const auto whole = run.losses();
  flip_a_number(checkpoint(run, 12), 6);
  run.train_on(1);
  EXPECT_EQ(run.losses(), whole);
}

TEST_F(ResumeTest, RejectsACheckpointOfAnotherTokenizer) {
  TinyRun run{.directory = directory_ / "run", .tokenizer = "abcd"};
  run.train_on(1);
  run.tokenizer = "abce";
  run.options.steps = 14;
  for (const int ranks : {1, 2}) {
    EXPECT_THAT([&] { run.train_on(ranks); },
                ThrowsMessage<Error>(AllOf(HasSubstr("step_00000012: its tokenizer is \"abcd\""),
                                           HasSubstr("\"abce\""))));
  }
  run.tokenizer = "abcd";
  EXPECT_EQ(run.train_on(2), 0);
}

TEST_F(ResumeTest, RejectsACheckpointOfOtherModelOptions) {
  int64_t heads = 2;
  double dropout = 0.1;
  Settings settings;
  settings.add("model.heads", &heads, "");
  settings.add("model.dropout", &dropout, "");
  settings.may_change("model.dropout");
  TinyRun run{.directory = directory_ / "run"};
  run.options.settings = &settings;
  run.train_on(1);
  heads = 4;
  dropout = 0.2;
  run.options.steps = 14;
  EXPECT_THAT([&] { run.train_on(1); },
              ThrowsMessage<ConfigurationError>(HasSubstr("trained with model.heads=2")));
  heads = 2;
  EXPECT_EQ(run.train_on(1), 0);
}

TEST_F(ResumeTest, LoadsParametersOfAnotherTokenizerIfAllowed) {
  TinyRun run{.directory = directory_ / "run", .tokenizer = "abcd"};
  run.train_on(1);
  TinyRun tuned{.directory = directory_ / "tuned", .tokenizer = "abce"};
  tuned.options.initial.path = run.directory;
  EXPECT_THAT([&] { tuned.train_on(1); },
              ThrowsMessage<ConfigurationError>(HasSubstr("checkpoint.allow_differences=true")));
  tuned.options.initial.allow_differences = true;
  EXPECT_EQ(tuned.train_on(1), 0);
}

TEST_F(ResumeTest, RejectsAGivenCheckpointThatIsDamaged) {
  auto run = trained_on(2);
  flip_a_number(checkpoint(run, 10), 0);
  run.options.resume = checkpoint(run, 10);
  for (const int ranks : {1, 2}) {
    EXPECT_THAT([&] { run.train_on(ranks); },
                ThrowsMessage<DataError>(HasSubstr("shard_00000_of_00002.h5 is damaged")));
  }
}

TEST_F(ResumeTest, NamesAllCheckpointsIfNoneIsIntact) {
  auto run = trained_on(2);
  for (const int step : {5, 10, 12}) flip_a_number(checkpoint(run, step), 0);
  EXPECT_THAT(
      [&] { run.train_on(2); },
      ThrowsMessage<DataError>(AllOf(HasSubstr("no intact checkpoint"), HasSubstr("step_00000005"),
                                     HasSubstr("step_00000012"))));
}

// The values of a tensor in a checkpoint.
std::vector<float> saved(const std::string& path, const std::string& name, io::StateKind kind) {
  const auto checkpoint = io::Checkpoint::open(io::local_files(), path);
  io::State wanted;
  std::vector<float> numbers;
  for (const auto& tensor : checkpoint.tensors()) {
    if (tensor.kind != kind) continue;
    wanted.push_back(io::state_of(tensor.name, kind, Tensor(tensor.shape, tensor.dtype)));
  }
  checkpoint.load(wanted);
  for (const auto& tensor : wanted) {
    if (tensor.name == name) numbers = tensor.part.to(DType::float32).to_vector<float>();
  }
  return numbers;
}

TEST_F(ResumeTest, ContinuesInAnotherPrecisionAndBack) {
  auto run = trained_on(2);
  const auto parameters_at = [&](int step) {
    return saved(checkpoint(run, step), "tokens.weight", io::StateKind::parameter);
  };
  const auto masters_at = [&](int step) {
    return saved(checkpoint(run, step), "master/tokens.weight", io::StateKind::optimizer);
  };
  const auto exact = parameters_at(12);

  // A step that changes nothing shows what was loaded.
  run.options.schedule = optim::Schedule{.peak = 0};
  run.precision = DType::bfloat16;
  run.options.steps = 13;
  run.train_on(3);
  EXPECT_EQ(masters_at(13), exact);
  EXPECT_EQ(parameters_at(13), Tensor::of({std::ssize(exact)}, exact)
                                   .to(DType::bfloat16)
                                   .to(DType::float32)
                                   .to_vector<float>());

  run.precision = DType::float32;
  run.options.steps = 14;
  run.train_on(1);
  EXPECT_EQ(parameters_at(14), exact);
}

}  // namespace
}  // namespace ripieno
