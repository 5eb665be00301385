// Saves of a training run on the emulated GPU, which runs work as late as possible: each checkpoint
// has the numbers of its step, whatever later steps change, and no copy delays a step.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "io/files/temporary_directory.h"
#include "ripieno/core/device/stream.h"
#include "ripieno/core/models/gpt.h"
#include "ripieno/core/optim/adamw.h"
#include "ripieno/io/checkpoint/background_save.h"
#include "ripieno/kernels/emulator/emulated_gpu.h"
#include "ripieno/training/run/training_state.h"
#include "training/run/tiny_run.h"

namespace ripieno {
namespace {

using testing::HasSubstr;
using testing::Not;
using Numbers = std::vector<std::vector<double>>;

constexpr int64_t kSteps = 4;

Numbers numbers_of(const io::State& state) {
  Numbers numbers;
  for (const io::StateTensor& tensor : state)
    numbers.push_back(tensor.part.to(DType::float64).to_vector<double>());
  return numbers;
}

// A GPT on the emulated GPU; each step changes all of its parameters.
class Training {
 public:
  Training()
      : model_({.vocab = 16, .layers = 2, .heads = 2, .channels = 16, .context = 8}),
        optimizer_((model_.to(Device::cuda(), DType::bfloat16), model_.parameters()),
                   {.learning_rate = 0.1}) {}

  optim::AdamW& optimizer() { return optimizer_; }
  io::State state() { return state_of(model_, optimizer_); }
  void step() {
    const Loss loss = model_.loss(ids_, ids_);
    loss.sum.backward();
    optimizer_.step(loss.count);
  }

 private:
  nn::Gpt model_;
  optim::AdamW optimizer_;
  Tensor ids_ = Tensor::full({2, 8}, 3, DType::int32, Device::cuda());
};

int64_t copies_on_the_compute_stream() {
  return simt::copies_on(compute_stream(Device::cuda()).handle());
}

// The state after each step, and the copies that the steps enqueued.
std::vector<Numbers> states_without_saves(int64_t& copies) {
  Training training;
  std::vector<Numbers> states;
  copies = 0;
  for (int64_t step = 1; step <= kSteps; ++step) {
    simt::clear_calls();
    training.step();
    copies += copies_on_the_compute_stream();
    states.push_back(numbers_of(training.state()));
  }
  return states;
}

Numbers numbers_in(const std::string& checkpoint) {
  Training blank;
  io::State state = blank.state();
  io::Checkpoint::open(io::local_files(), checkpoint).load(state);
  return numbers_of(state);
}

TEST(EmulatedSave, ACheckpointHasTheNumbersOfItsStepAndNoCopyDelaysALaterOne) {
  int64_t copies = 0;
  const std::vector<Numbers> expected = states_without_saves(copies);
  const io::TemporaryDirectory directory;
  Training training;
  io::BackgroundSaver saver(io::local_files(), directory.path());
  training.optimizer().before_step([&] { saver.wait_until_copied(); });
  simt::clear_calls();
  for (int64_t step = 1; step <= kSteps; ++step) {
    training.step();
    const auto ended = saver.wait();  // the previous save; its numbers must be those of its step
    ASSERT_TRUE(!ended || ended->failure.empty()) << ended->failure;
    saver.start(step, training.state(), {},
                {.attempt = std::to_string(step), .keep = {.newest = kSteps}});
  }
  EXPECT_EQ(saver.wait()->failure, "");
  EXPECT_EQ(copies_on_the_compute_stream(), copies);
  for (int64_t step = 1; step <= kSteps; ++step) {
    EXPECT_EQ(numbers_in(directory / "step_0000000" + std::to_string(step)),
              expected[static_cast<std::size_t>(step) - 1])
        << step;
  }
  training.optimizer().before_step({});
}

// What a run of four steps that saves after each other one writes to its log.
std::string log_of_a_run() {
  const io::TemporaryDirectory directory;
  std::FILE* const log = std::tmpfile();
  const TinyRun run = {
      .directory = directory / "run",
      .options = {.steps = kSteps, .checkpoint_every = 2, .evaluate_every = 0, .progress = log},
      .batch_size = 4,
      .text = tiny_text().substr(0, 300),
      .device = "cuda"};
  EXPECT_EQ(run.train_on(1), 0);
  std::rewind(log);
  std::string text(10'000, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), log));
  std::fclose(log);
  return text;
}

TEST(EmulatedSave, ARunSaysOnceThatTheGpuHasNoMemoryForACopy) {
  const std::string line =
      "cuda:0 has no memory for a copy of the state (0.00 GiB), so the optimizer waits until the "
      "state is copied to the host";
  EXPECT_THAT(log_of_a_run(), Not(HasSubstr(line)));
  simt::gpu().bytes_of_others = std::size_t{62} << 30;  // of 64 GiB
  const std::string log = log_of_a_run();
  simt::reset();
  ASSERT_THAT(log, HasSubstr(line));
  EXPECT_THAT(log.substr(log.find(line) + line.size()), Not(HasSubstr(line)));
}

}  // namespace
}  // namespace ripieno
