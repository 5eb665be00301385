// The CUDA calls of a training step, recorded by the emulated GPU: none that blocks the host or
// that prevents capturing the step as a CUDA graph; and those of a step that is replayed.
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "ripieno/core/models/gpt.h"
#include "ripieno/core/optim/adamw.h"
#include "ripieno/core/random.h"
#include "ripieno/distributed/data_parallel.h"
#include "ripieno/kernels/emulator/emulated_gpu.h"
#include "ripieno/training/step_graph.h"

namespace ripieno {
namespace {

struct Case {
  std::string name;
  DType precision = DType::float32;
  nn::Recompute recompute = nn::Recompute::none;
  double dropout = 0.0;
  int64_t micro_batch_size = 0;
};

class SteadyStep : public ::testing::TestWithParam<Case> {};

struct Recorded {
  std::map<std::string, int64_t> calls;
  std::vector<const void*> addresses;
};

// The calls of the fourth and the fifth training step.
std::vector<Recorded> calls_of_steps(const Case& given) {
  const Device device = Device::cuda();
  nn::Gpt model({.vocab = 16,
                 .layers = 2,
                 .heads = 2,
                 .channels = 16,
                 .context = 8,
                 .dropout = given.dropout,
                 .recompute = given.recompute});
  model.to(device, given.precision);
  optim::AdamW optimizer(model.parameters(), {.max_gradient_norm = 1.0,
                                              .scales_loss = given.precision == DType::float16});
  const auto alone = distributed::alone();
  distributed::DataParallel parallel(model, optimizer, *alone,
                                     {.micro_batch_size = given.micro_batch_size});
  const Tensor ids = Tensor::full({2, 8}, 3, DType::int32, device);
  std::vector<Recorded> recorded;
  for (uint64_t step = 1; step <= 5; ++step) {
    random_context().step = step;
    optimizer.set_learning_rate(1e-3 / static_cast<double>(step));
    simt::clear_calls();
    parallel.backward(2, [&](int64_t begin, int64_t end) {
      return model.loss(ids.slice(0, begin, end), ids.slice(0, begin, end));
    });
    parallel.step();
    if (step > 3) recorded.push_back({simt::calls(), simt::addresses()});
  }
  return recorded;
}

TEST_P(SteadyStep, AllocatesNoMemoryAndDoesNotBlockTheHost) {
  for (const Recorded& step : calls_of_steps(GetParam())) {
    EXPECT_GT(step.calls.at("launch"), 10);
    for (const char* name :
         {"cudaMalloc", "cudaFree", "cudaHostAlloc", "cudaFreeHost", "cudaDeviceSynchronize",
          "cudaStreamSynchronize", "cudaStreamCreateWithFlags", "cudaEventSynchronize",
          "cudaEventQuery", "cudaEventCreateWithFlags", "pageable copy"}) {
      EXPECT_EQ(step.calls.count(name), 0u) << name;
    }
  }
}

TEST_P(SteadyStep, MakesTheSameCallsOnTheSameMemoryAsThePreviousStep) {
  const auto recorded = calls_of_steps(GetParam());
  EXPECT_EQ(recorded[0].calls, recorded[1].calls);
  EXPECT_GT(recorded[0].addresses.size(), 50u);
  EXPECT_EQ(recorded[0].addresses, recorded[1].addresses);
}

// ---- Replayed steps

// The calls of the sixth step of a model with the layers and heads of gpt_char.toml, which decide
// their number; it is narrower, because the emulated GPU is slow.
std::map<std::string, int64_t> calls_of_gpt_char(StepGraphOptions::Mode mode) {
  const Device device = Device::cuda();
  nn::Gpt model({.vocab = 65, .layers = 4, .heads = 4, .channels = 16, .context = 4});
  model.to(device);
  optim::AdamW optimizer(model.parameters(), {.max_gradient_norm = 1.0});
  const auto alone = distributed::alone();
  distributed::DataParallel parallel(model, optimizer, *alone);
  StepGraph graph(parallel, {.mode = mode});
  const Tensor ids = Tensor::full({1, 4}, 3, DType::int32, device);
  for (int step = 1; step <= 6; ++step) {
    simt::clear_calls();
    graph.run({ids, ids}, [&](const io::Batch& batch) {
      parallel.backward(model.loss(batch.inputs, batch.targets));
      parallel.step();
    });
  }
  return simt::calls();
}

TEST(ReplayedStep, OfGptCharIsOneLaunchAfterItsInputsAreWritten) {
  const auto plain = calls_of_gpt_char(StepGraphOptions::Mode::off);
  const auto replayed = calls_of_gpt_char(StepGraphOptions::Mode::on);
  for (const auto& [name, count] : plain) RecordProperty("without " + name, std::to_string(count));
  const int64_t work = plain.at("launch") + plain.at("product");
  EXPECT_GT(work, 100);
  const std::map<std::string, int64_t> expected = {
      {"launch", 2},           // the random key, and the optimizer's scalars
      {"cudaMemcpyAsync", 2},  // inputs and targets
      {"cudaGraphLaunch", 1},
      {"cudaEventRecord", 1}};
  EXPECT_EQ(replayed, expected);
}

INSTANTIATE_TEST_SUITE_P(
    Gpu, SteadyStep,
    ::testing::Values(Case{.name = "Plain"}, Case{.name = "Bfloat16", .precision = DType::bfloat16},
                      Case{.name = "Float16", .precision = DType::float16},
                      Case{.name = "Recomputed", .recompute = nn::Recompute::blocks},
                      Case{.name = "WithDropout", .dropout = 0.1},
                      Case{.name = "InMicroBatches", .micro_batch_size = 1}),
    [](const auto& of) { return of.param.name; });

}  // namespace
}  // namespace ripieno
