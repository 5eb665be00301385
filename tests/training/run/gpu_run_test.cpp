// Runs on a GPU, whose metrics arrive late, compared with the same runs on the CPU.
#include <gmock/gmock.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "ripieno/kernels/attention_library.h"
#include "ripieno/kernels/matmul_algorithms.h"
#include "support/gpu_test.h"
#include "training/run/tiny_run.h"

namespace ripieno {
namespace {

// The emulator provides two GPUs.
const bool is_prepared = setenv("RIPIENO_EMULATED_GPUS", "2", 1) == 0;

class GpuRunTest : public testing::GpuTest {
 protected:
  // On a machine with one GPU, ranks share it.
  GpuRunTest() { setenv("RIPIENO_SHARE_GPU", "1", 1); }
  ~GpuRunTest() override { unsetenv("RIPIENO_SHARE_GPU"); }

  // Small because the emulated GPU is slow.
  TinyRun tiny(const std::string& name, const std::string& device) const {
    return {.directory = directory / name,
            .options = {.steps = 6, .checkpoint_every = 1000, .evaluate_every = 4},
            .batch_size = 4,
            .text = tiny_text().substr(0, 300),
            .device = device};
  }
  TemporaryDirectory directory;
};

void expect_close(const std::map<int64_t, double>& a, const std::map<int64_t, double>& b,
                  double tolerance = 1e-4) {
  ASSERT_EQ(a.size(), b.size());
  for (const auto& [step, loss] : a) EXPECT_NEAR(loss, b.at(step), tolerance) << "step " << step;
}

// The step and kind of each line of metrics.jsonl, in order.
std::vector<std::string> lines_of(const TinyRun& run) {
  std::ifstream file(run.directory + "/metrics.jsonl");
  std::vector<std::string> lines;
  for (std::string text; std::getline(file, text);) {
    const auto line = nlohmann::json::parse(text);
    const std::string kind = line.contains("validation_loss") ? " validation" : "";
    lines.push_back(line["step"].dump() + kind);
  }
  return lines;
}

TEST_F(GpuRunTest, LogsTheSameLinesAsOnTheCpu) {
  const auto cpu = tiny("cpu", "cpu"), gpu = tiny("gpu", "cuda");
  cpu.train_on(1);
  gpu.train_on(1);
  expect_close(gpu.losses(), cpu.losses());
  expect_close(gpu.validation_losses(), cpu.validation_losses());
  EXPECT_EQ(lines_of(gpu), lines_of(cpu));
}

// The host never waits for the GPU, which is then as far behind as possible.
TEST_F(GpuRunTest, TrainsTheSameIfNothingIsLogged) {
  auto cpu = tiny("cpu", "cpu"), gpu = tiny("gpu", "cuda");
  for (TinyRun* run : {&cpu, &gpu}) {
    run->options = {.steps = 6, .checkpoint_every = 1000, .log_every = 100};
    run->train_on(1);
  }
  EXPECT_EQ(gpu.losses().size(), 1u);
  expect_close(gpu.losses(), cpu.losses());
}

TEST_F(GpuRunTest, WritesALineAtMostTenStepsLate) {
  auto run = tiny("run", "cuda");
  run.batch_size = 1;
  run.options = {.steps = 16, .checkpoint_every = 1000};
  std::size_t lines = 0;
  run.train_on(1, [&](Session&, int64_t step) {
    if (step == 15) lines = lines_of(run).size();
  });
  EXPECT_GE(lines, 14 - LateMetrics::kMostPending);
  EXPECT_EQ(lines_of(run).size(), 17u) << "16 steps and a validation";
}

TEST_F(GpuRunTest, LogsTheSecondsOfPhasesOnTheGpu) {
  const auto run = tiny("run", "cuda");
  run.train_on(1);
  double backward = 0, optimizer = 0;
  for (const auto& line : io::read_metrics(run.directory + "/metrics.jsonl")) {
    for (const auto& [phase, seconds] : line.seconds) {
      if (phase == "backward") backward += seconds;
      if (phase == "optimizer") optimizer += seconds;
      EXPECT_GE(seconds, 0.0) << phase;
    }
  }
  EXPECT_GT(backward, 0.0);
  EXPECT_GT(optimizer, 0.0);
}

TEST_F(GpuRunTest, ContinuesOnTheCpuAndBack) {
  const auto whole = tiny("whole", "cpu");
  whole.train_on(1);
  auto parts = tiny("parts", "cuda");
  for (const int64_t steps : {2, 4, 6}) {
    parts.device = steps == 4 ? "cpu" : "cuda";
    parts.options.steps = steps;
    parts.train_on(1);
  }
  expect_close(parts.losses(), whole.losses());
}

TEST_F(GpuRunTest, RecordsTheLibraries) {
  auto run = tiny("run", "cuda");
  run.options.steps = 1;
  run.train_on(1);
  std::ifstream file(run.directory + "/run.json");
  const auto start = nlohmann::json::parse(file).at("starts").at(0);
  EXPECT_EQ(start.at("attention").get<std::string>(), kernels::attention_library());
  EXPECT_FALSE(kernels::attention_library().empty());
  EXPECT_EQ(start.at("products").get<std::string>(), kernels::matmul_library());
}

TEST_F(GpuRunTest, InFloat16SkipsTheSameStepsAsTheCpu) {
  auto cpu = tiny("cpu", "cpu"), gpu = tiny("gpu", "cuda");
  for (TinyRun* run : {&cpu, &gpu}) {
    run->precision = DType::float16;
    run->train_on(1);
  }
  EXPECT_GT(cpu.skipped_steps().at(6), 0);
  EXPECT_EQ(gpu.skipped_steps(), cpu.skipped_steps());
  EXPECT_EQ(gpu.loss_scales(), cpu.loss_scales());
  expect_close(gpu.losses(), cpu.losses(), 0.02);
}

TEST_F(GpuRunTest, TwoRanksTrainLikeOneWithAnySharding) {
  const auto one = tiny("one", "cpu");
  one.train_on(1);
  for (const auto shard :
       {distributed::Shard::none, distributed::Shard::optimizer, distributed::Shard::gradients}) {
    auto two = tiny("two" + std::to_string(static_cast<int>(shard)), "cuda");
    two.parallel_options = {.shard = shard, .bucket_bytes = 1000, .micro_batch_size = 1};
    two.train_on(2);
    expect_close(two.losses(), one.losses());
    expect_close(two.validation_losses(), one.validation_losses());
  }
}

TEST_F(GpuRunTest, InStrictModeTwoRanksAreBitwiseIdenticalToOne) {
  auto one = tiny("one", "cuda");
  one.parallel_options.slots = 4;
  one.train_on(1);
  auto two = one;
  two.directory = directory / "two";
  two.train_on(2);
  EXPECT_EQ(two.losses(), one.losses());
  EXPECT_EQ(two.validation_losses(), one.validation_losses());
}

}  // namespace
}  // namespace ripieno
