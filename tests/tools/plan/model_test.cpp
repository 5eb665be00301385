// The planning model against hand-computed cases, and against models that are really constructed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <map>
#include <memory>
#include <string>
#include <tuple>

#include "distributed/on_every_rank.h"
#include "ripieno/core/device/stream.h"
#include "ripieno/core/error.h"
#include "ripieno/core/optim/optimizers.h"
#include "ripieno/distributed/data_parallel.h"
#include "ripieno/tools/plan/changes.h"
#include "ripieno/training/models/gpt_settings.h"
#include "ripieno/training/models/image_model_settings.h"
#include "ripieno/training/models/llama_settings.h"
#include "ripieno/training/models/mlp_settings.h"
#include "ripieno/training/models/model_kinds.h"

namespace ripieno::tools::plan {
namespace {

using distributed::DataParallelOptions;
using distributed::MemoryReport;
using distributed::Shard;
using ::testing::AllOf;
using ::testing::Ge;
using ::testing::HasSubstr;
using ::testing::Le;

constexpr DataShape kData{.vocabulary = 97, .features = 100, .classes = 10};

std::unique_ptr<ModelSettings> small_model(const std::string& kind) {
  auto settings = settings_of_model(kind);
  if (auto* gpt = dynamic_cast<GptSettings*>(settings.get()))
    gpt->options = {.vocab = 0, .layers = 3, .heads = 2, .channels = 48, .context = 33};
  if (auto* images = dynamic_cast<ImageModelSettings*>(settings.get())) {
    images->mlp.hidden = {320, 320, 31};
    images->width = 8;
  }
  if (auto* llama = dynamic_cast<LlamaSettings*>(settings.get())) {
    llama->options = {.vocab = 0,
                      .layers = 3,
                      .heads = 4,
                      .key_value_heads = 2,
                      .channels = 48,
                      .hidden = 80,
                      .context = 33};
  }
  return settings;
}

Job job_of(const std::string& kind) {
  const auto settings = small_model(kind);
  const auto model = settings->build(kData);
  Job job{.work = settings->work(kData)};
  job.layout = model->parameters().shared_layout();
  job.parameters = model->parameters().elements();
  job.state = {{"first_moment"}, {"second_moment"}};
  job.batch_size = 8;
  job.steps = 100;
  job.checkpoint_every = 0;
  return job;
}

std::map<std::string, int64_t> lines_of(const MemoryReport& report) {
  std::map<std::string, int64_t> lines;
  for (const auto& line : report.lines) {
    if (line.bytes > 0) lines[line.what] += line.bytes;
  }
  return lines;
}

// What DataParallel reports on rank 0 after two steps.
std::map<std::string, int64_t> reported(const std::string& kind, const Job& job, int ranks,
                                        std::size_t bucket_bytes) {
  std::map<std::string, int64_t> lines;
  distributed::testing::on_every_rank(ranks, [&](distributed::Communicator& group) {
    const auto settings = small_model(kind);
    const auto model = settings->build(kData);
    model->to(Device::cpu(), job.precision);
    const auto optimizer = optim::make_optimizer("adamw", model->parameters(), {});
    DataParallelOptions options = job.parallel;
    options.bucket_bytes = bucket_bytes;
    distributed::DataParallel parallel(*model, *optimizer, group, options);
    const auto loss = settings->loss_of_random_rows(*model, kData, 2);
    for (int step = 0; step < 2; ++step) {
      parallel.backward(loss());
      parallel.step();
    }
    if (group.rank() == 0) lines = lines_of(parallel.memory_report());
  });
  return lines;
}

// Persistent memory to the byte. How many buckets are in flight at the peak depends on which
// tensors share a bucket.
void expect_exact_memory(const std::string& kind, const Job& job, int ranks) {
  constexpr std::size_t kBuckets = 50'000;
  constexpr const char* kTransient = "buckets in flight";
  SCOPED_TRACE(kind + ", " + std::to_string(ranks) + " ranks, " +
               std::string(name_of(job.precision)));
  auto planned = lines_of(memory_of(job, ranks, kBuckets, 1).model);
  auto measured = reported(kind, job, ranks, kBuckets);
  const auto difference = static_cast<double>(planned[kTransient] - measured[kTransient]);
  EXPECT_GE(difference, 0);
  EXPECT_LE(difference, 0.15 * static_cast<double>(measured[kTransient]));
  planned.erase(kTransient);
  measured.erase(kTransient);
  EXPECT_EQ(planned, measured);
}

TEST(Plan, CountsTheMemoryOfShardsToTheByte) {
  for (const std::string& kind : model_kinds()) {
    for (const DType precision : {DType::float32, DType::bfloat16}) {
      for (const Shard shard : {Shard::none, Shard::optimizer, Shard::gradients}) {
        for (const int ranks : {1, 2, 3, 4}) {
          Job job = job_of(kind);
          job.precision = precision;
          job.parallel.shard = shard;
          job.parallel.overlap = false;
          expect_exact_memory(kind, job, ranks);
        }
      }
    }
  }
}

TEST(Plan, CountsTheMemoryOfStrategiesToTheByte) {
  for (const std::string& kind : model_kinds()) {
    Job wire = job_of(kind), diloco = wire, power_sgd = wire;
    wire.parallel.wire = DType::bfloat16;
    diloco.parallel.diloco.steps = 3;
    power_sgd.parallel.power_sgd_rank = 4;
    expect_exact_memory(kind, wire, 2);
    expect_exact_memory(kind, diloco, 2);
    expect_exact_memory(kind, power_sgd, 2);
  }
}

// The tensors that exist between forward and backward, by the count of the memory pool.
TEST(Plan, CountsActivationsOfRealModels) {
  for (const std::string& kind : model_kinds()) {
    SCOPED_TRACE(kind);
    const auto settings = small_model(kind);
    const auto model = settings->build(kData);
    constexpr int64_t kRows = 256;  // so that the nodes of the graph are small beside the tensors
    const auto loss = settings->loss_of_random_rows(*model, kData, kRows);
    loss();  // allocates the parameters
    const int64_t before = pool_statistics(Device::cpu()).bytes_in_use;
    const Loss kept = loss();
    const int64_t held = pool_statistics(Device::cpu()).bytes_in_use - before;
    Job job = job_of(kind);
    job.batch_size = kRows;
    const int64_t planned = memory_of(job, 1, 1 << 20, 1).activations;
    EXPECT_THAT(static_cast<double>(planned) / static_cast<double>(held),
                AllOf(Ge(0.95), Le(1.05)));
  }
}

TEST(Plan, RoundsTensorsUpAsThePoolDoes) {
  for (const int64_t bytes : {1, 64, 65, 80, 81, 1000, 1024, 1025, 123'457}) {
    const int64_t before = pool_statistics(Device::cpu()).bytes_in_use;
    void* const memory = cpu_pool().allocate(static_cast<std::size_t>(bytes));
    EXPECT_EQ(pooled(bytes), pool_statistics(Device::cpu()).bytes_in_use - before) << bytes;
    cpu_pool().deallocate(memory, static_cast<std::size_t>(bytes));
  }
}

// docs/gpu_notes.md counts them, too.
TEST(Plan, CountsTheOperationsOfGpt2) {
  GptSettings settings;
  settings.options = nn::GptOptions{};
  const ModelWork work = settings.work({});
  const Flops flops = flops_of(work);
  EXPECT_EQ(work.units, 1024);
  EXPECT_NEAR(flops.of_model() / 1024, 741.4e6 + 56.6e6, 0.1e6);
  EXPECT_NEAR(flops.backward / flops.forward, 2.0, 1e-12);
}

TEST(Plan, CountsTheOperationsOfAnMlp) {
  MlpSettings settings;
  settings.hidden = {20};
  const Flops flops = flops_of(settings.work({.features = 10, .classes = 5}));
  EXPECT_EQ(flops.forward, 2.0 * (10 * 20 + 20 * 5));
  EXPECT_EQ(flops.backward, 2.0 * (10 * 20 + 2 * 20 * 5)) << "no gradient of the input";
}

// A device of round numbers: 1e9 FLOP/s, 1e9 B/s of memory, and links of 1e8 B/s without latency.
Machine round_machine() {
  return {.name = "round",
          .peak_float32 = 1e9,
          .peak_tf32 = 1e9,
          .peak_16_bits = 2e9,
          .memory_bytes_per_second = 1e9,
          .inside = {0, 1e8},
          .between = {0, 1e8}};
}

Question question_of(const std::string& kind, int ranks, int ranks_per_host = 1) {
  return {.job = job_of(kind),
          .machine = round_machine(),
          .ranks = ranks,
          .ranks_per_host = ranks_per_host};
}

TEST(Plan, AddsUpAHandComputedStep) {
  Question question = question_of("mlp", 1);
  question.job.batch_size = 5;
  const ComputeSeconds compute =
      compute_seconds(question.job, question.machine, forecast(question).placement);
  const double forward = 5 * (2.0 * (100 * 320 + 320 * 320 + 320 * 31 + 31 * 10) / 1e9 +
                              (6.0 * (320 + 320 + 31) + 4 * 10) * 4 / 2 / 1e9);
  EXPECT_NEAR(compute.forward, forward, 1e-12);
  // AdamW: 28 bytes per parameter in float32.
  const auto elements = static_cast<double>(question.job.layout->elements());
  EXPECT_NEAR(compute.optimizer, 28 * elements / 1e9, 1e-12);
}

TEST(Plan, WaitsForTheWholeSumWithoutOverlap) {
  Question question = question_of("mlp", 2);
  question.job.parallel.bucket_bytes = 50'000;
  const double hidden = forecast(question).seconds.communication;
  question.job.parallel.overlap = false;
  const Forecast result = forecast(question);
  EXPECT_LT(hidden, result.seconds.communication);
  const auto bytes = 4 * static_cast<double>(question.job.layout->elements());
  const double small = 2 * 64 / 1e8;  // of the loss, and of the agreement to stop
  EXPECT_NEAR(result.seconds.communication, bytes / 1e8 + small, 1e-9);
  EXPECT_NEAR(result.communication.bytes_sent, bytes, 1e-6);
}

TEST(Plan, SendsHalfOnABfloat16WireAndAFiftiethWithDiloco) {
  Question question = question_of("mlp", 4);
  const double plain = forecast(question).communication.bytes_sent;
  question.job.parallel.wire = DType::bfloat16;
  EXPECT_NEAR(forecast(question).communication.bytes_sent, plain / 2, 1e-6);
  question.job.parallel.wire = DType::float32;
  question.job.parallel.diloco.steps = 50;
  EXPECT_NEAR(forecast(question).communication.bytes_sent, plain / 50, 1e-6);
}

TEST(Plan, UsesAMeasuredStepInsteadOfRates) {
  Question question = question_of("mlp", 2);
  question.job.parallel.micro_batch_size = 2;  // of 4 rows per rank
  question.machine.measured = {.rows = 2, .forward = 0.1, .backward = 0.2, .optimizer = 0.05};
  const Forecast result = forecast(question);
  EXPECT_DOUBLE_EQ(result.seconds.forward, 0.2);
  EXPECT_DOUBLE_EQ(result.seconds.backward, 0.4);
  EXPECT_DOUBLE_EQ(result.seconds.optimizer, 0.05);
}

TEST(Plan, DividesTheCoresOfAHostAmongItsRanks) {
  Question question = question_of("mlp", 4, 4);
  question.machine.is_cpu = true;
  question.machine.cores = 2;
  question.job.batch_size = 16;
  const double four = forecast(question).seconds.forward;
  question.ranks = question.ranks_per_host = 2;
  const double two = forecast(question).seconds.forward;
  EXPECT_NEAR(four, two, 1e-12) << "half as many rows per rank, at half the speed";
  EXPECT_EQ(forecast(question).placement.threads, 1);
}

TEST(Plan, CostsWhatItsHoursCost) {
  Question question = question_of("mlp", 4);
  question.price_per_hour = 3.0;
  const Forecast result = forecast(question);
  EXPECT_NEAR(result.days, result.seconds.total() * 100 / 86400, 1e-15);
  EXPECT_NEAR(result.money, result.days * 24 * 4 * 3.0, 1e-12);
}

TEST(Plan, NeverGetsSlowerWithAFasterLink) {
  for (const std::string& kind : model_kinds()) {
    for (const auto& [shard, diloco, slots] : {std::tuple{Shard::none, 0, 0},
                                               {Shard::optimizer, 0, 0},
                                               {Shard::gradients, 0, 0},
                                               {Shard::none, 10, 0},
                                               {Shard::none, 0, 8}}) {
      for (const int ranks : {2, 4, 8}) {
        Question question = question_of(kind, ranks);
        question.job.parallel.bucket_bytes = 100'000;
        question.job.parallel.shard = shard;
        question.job.parallel.diloco.steps = diloco;
        question.job.parallel.slots = slots;
        double before = std::numeric_limits<double>::infinity();
        for (double rate = 1e6; rate < 1e12; rate *= 3) {
          question.machine.between.bytes_per_second = rate;
          const double step = forecast(question).seconds.total();
          EXPECT_LE(step, before) << kind << " " << ranks << " " << rate;
          before = step;
        }
      }
    }
  }
}

TEST(Plan, NeverTakesMoreMemoryWithSmallerMicroBatches) {
  Question question = question_of("gpt", 1);
  question.job.batch_size = 64;
  int64_t before = 0;
  for (int64_t rows = 1; rows <= 64; rows *= 2) {
    question.job.parallel.micro_batch_size = rows;
    const int64_t now = forecast(question).memory.total();
    EXPECT_GT(now, before) << rows;
    before = now;
  }
}

TEST(Plan, NeverKeepsMoreStateOnMoreRanksWithShards) {
  Question question = question_of("gpt", 1);
  question.job.batch_size = 4096;
  question.job.parallel.bucket_bytes = 50'000;
  question.job.parallel.shard = Shard::gradients;
  int64_t before = std::numeric_limits<int64_t>::max();
  for (question.ranks = 1; question.ranks <= kMostRanks; question.ranks *= 2) {
    const int64_t now = forecast(question).memory.model.persistent_bytes();
    EXPECT_LE(now, before) << question.ranks;
    before = now;
  }
}

TEST(Plan, NamesTheSmallestChangeThatFits) {
  Question question = question_of("gpt", 2);
  question.job.batch_size = 64;
  question.machine.memory_bytes = 1LL << 40;
  EXPECT_TRUE(forecast(question).fits());
  Question smaller = question;
  smaller.job.parallel.micro_batch_size = 8;
  // Just enough for micro-batches of 8.
  question.machine.memory_bytes =
      static_cast<int64_t>(static_cast<double>(forecast(smaller).memory.total()) / 0.94 * 1.01);
  EXPECT_FALSE(forecast(question).fits());
  const auto change = change_that_fits(question);
  ASSERT_TRUE(change);
  EXPECT_EQ(change->how, "--set train.micro_batch_size=8");
  EXPECT_TRUE(change->result.fits());
}

TEST(Plan, NamesNoChangeIfNoneFits) {
  Question question = question_of("gpt", 2);
  question.machine.memory_bytes = 1000;
  EXPECT_FALSE(change_that_fits(question));
}

TEST(Plan, ListsFasterSettingsTheFastestFirst) {
  Question question = question_of("gpt", 4);
  question.machine.between.bytes_per_second = 1e5;
  const Forecast result = forecast(question);
  const auto changes = changes_of(question, result);
  ASSERT_GE(changes.size(), 3u);
  EXPECT_EQ(changes[0].how, "--set parallel.diloco_steps=50");
  for (std::size_t i = 1; i < changes.size(); ++i)
    EXPECT_GE(changes[i - 1].result.units_per_second, changes[i].result.units_per_second);
  for (std::size_t i = 0; i < changes.size(); ++i) {
    EXPECT_GT(changes[i].result.units_per_second, result.units_per_second);
    EXPECT_DOUBLE_EQ(changes[i].result.units_per_second,
                     forecast(changes[i].question).units_per_second);
  }
}

TEST(Plan, KnowsItsDevicesAndTheNearestName) {
  for (const std::string& name : device_names()) EXPECT_EQ(device_of(name).name, name);
  try {
    device_of("h20");
    FAIL();
  } catch (const ConfigurationError& error) {
    EXPECT_THAT(error.what(), HasSubstr("--device h20: unknown device; did you mean h200?"));
  }
}

}  // namespace
}  // namespace ripieno::tools::plan
