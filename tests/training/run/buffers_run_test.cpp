// Runs of a model with running statistics, which each rank updates independently.
#include <gmock/gmock.h>

#include "ripieno/core/error.h"
#include "ripieno/core/ops/arithmetic.h"
#include "ripieno/io/checkpoint/checkpoint.h"
#include "ripieno/io/files/file_system.h"
#include "ripieno/training/run/training_state.h"
#include "training/run/tiny_run.h"

namespace ripieno {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

// A model with a running mean of its tokens, which it uses in evaluation mode.
struct Counting final : nn::Module {
  nn::Gpt gpt{{.vocab = 4, .layers = 1, .heads = 2, .channels = 8, .context = 16}};
  Tensor mean = add_buffer("mean", {3});
  Counting() { add("gpt", gpt); }

  Loss loss(const Tensor& inputs, const Tensor& targets) const {
    double sum = 0;
    for (const int32_t token : inputs.to_vector<int32_t>()) sum += token;
    const auto tokens = static_cast<double>(inputs.elements());
    update_buffer(mean, Tensor::full({3}, sum / tokens), 0.1);
    Loss loss = gpt.loss(inputs, targets);
    if (!is_training()) loss.sum = loss.sum * (1.0 + mean.to_vector<float>()[0]);
    return loss;
  }
};

using Numbers = std::vector<float>;

struct BufferRun {
  std::string directory;
  bool has_parallel = true;
  int stops_after = 0;  // 0: never
  bool differs = false;
  // The buffer on each rank at the last validation and at the end.
  std::vector<Numbers> measured_with = {}, at_the_end = {};
  std::map<int64_t, Numbers> of_rank_0 = {};  // after a step

  void train(Session& session) {
    random_context().seed = 3;
    const auto rank = static_cast<std::size_t>(session.rank());
    const auto data = io::TokenData::of(tiny_text(), io::Tokenizer::characters_of(tiny_text()));
    io::TokenLoader loader(data, {.batch_size = 8, .context = 16, .seed = 3}, session);
    Counting model;
    optim::AdamW optimizer(model.parameters(), {.learning_rate = has_parallel ? 1e-2 : 0.0});
    distributed::DataParallel parallel(model, optimizer, session.communicator());
    RunOptions options = {
        .steps = 12, .checkpoint_every = 5, .evaluate_every = 4, .check_every = 4};
    if (has_parallel) options.parallel = &parallel;
    Run run(directory, session, model, optimizer, loader, options);
    run.validate_with([&](const io::Batch& batch) {
      measured_with[rank] = model.mean.to_vector<float>();
      return model.loss(batch.inputs, batch.targets);
    });
    while (const auto batch = run.next()) {
      if (run.step() + 1 == stops_after) session.ask_to_stop();
      const Loss loss = model.loss(batch->inputs, batch->targets);
      if (has_parallel) {
        parallel.backward(loss);
        parallel.step();
      }
      if (rank == 0) of_rank_0[run.step() + 1] = model.mean.to_vector<float>();
      if (differs) make_differ(parallel, model, rank);
      has_parallel ? run.log() : run.log(loss);
    }
    at_the_end[rank] = model.mean.to_vector<float>();
  }

  static void make_differ(distributed::DataParallel& parallel, Counting& model, std::size_t rank) {
    parallel.synchronize();
    if (rank == 1) model.mean.detach().fill(9.0);
  }

  void train_on(int ranks) {
    measured_with.resize(static_cast<std::size_t>(ranks));
    at_the_end.resize(static_cast<std::size_t>(ranks));
    auto group = distributed::in_process(ranks);
    std::vector<std::exception_ptr> failures(group.size());
    {
      std::vector<std::jthread> threads;
      for (std::size_t rank = 0; rank < group.size(); ++rank) {
        threads.emplace_back([&, rank] {
          try {
            Session session(std::move(group[rank]));
            train(session);
          } catch (...) {
            failures[rank] = std::current_exception();
          }
        });
      }
    }
    if (failures[0]) std::rethrow_exception(failures[0]);
  }

  std::map<int64_t, double> validation_losses() const {
    return TinyRun{.directory = directory}.validation_losses();
  }
  Numbers saved(const std::string& step) const {
    Counting model;
    io::Checkpoint::open(io::local_files(), directory + "/checkpoints/step_" + step)
        .load(state_of(model));
    return model.mean.to_vector<float>();
  }
};

class BufferRuns : public testing::TestWithParam<int> {
 protected:
  BufferRun run(const std::string& name) { return {.directory = directory_ / name}; }
  TemporaryDirectory directory_;
};

TEST_P(BufferRuns, ACheckpointHoldsTheBuffersOfRankZero) {
  for (const bool has_parallel : {true, false}) {
    auto counting = run(has_parallel ? "parallel" : "alone");
    counting.has_parallel = has_parallel;
    counting.train_on(GetParam());
    EXPECT_EQ(counting.saved("00000005"), counting.of_rank_0.at(5));
    EXPECT_EQ(counting.saved("00000012"), counting.of_rank_0.at(12));
    for (const Numbers& numbers : counting.measured_with)
      EXPECT_EQ(numbers, counting.of_rank_0.at(12));
  }
}

// The resumed run also saves after step 7, which must change no value.
TEST_P(BufferRuns, AResumedRunIsBitwiseIdenticalToAnUninterruptedOne) {
  auto whole = run("whole"), broken = run("broken");
  whole.train_on(GetParam());
  broken.stops_after = 7;
  broken.train_on(GetParam());
  broken.stops_after = 0;
  broken.train_on(GetParam());
  EXPECT_EQ(broken.validation_losses(), whole.validation_losses());
  EXPECT_EQ(broken.saved("00000012"), whole.saved("00000012"));
  EXPECT_EQ(broken.at_the_end, whole.at_the_end);
  EXPECT_NE(whole.of_rank_0.at(12), whole.of_rank_0.at(5)) << "they move";
}

TEST_P(BufferRuns, SynchronizedBuffersThatDifferAreDetected) {
  auto counting = run("run");
  counting.differs = true;
  EXPECT_THAT([&] { counting.train_on(GetParam()); },
              ThrowsMessage<RankFailure>(HasSubstr("after step 4 the buffers of rank ")));
}

INSTANTIATE_TEST_SUITE_P(OnRanks, BufferRuns, testing::Values(2, 3));

}  // namespace
}  // namespace ripieno
