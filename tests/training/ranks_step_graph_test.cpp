// Steps of two ranks that are replayed, over a scripted NCCL with an emulated GPU for each rank:
// bitwise the same as without a graph, and on all ranks or on none.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "distributed/communicators/nccl/scripted/scripted_nccl.h"
#include "distributed/on_every_rank.h"
#include "ripieno/core/autograd.h"
#include "ripieno/core/models/mlp.h"
#include "ripieno/core/ops/reduce.h"
#include "ripieno/core/optim/adamw.h"
#include "ripieno/core/random.h"
#include "ripieno/distributed/communicators/nccl/nccl.h"
#include "ripieno/kernels/cuda/runtime/runtime.h"
#include "ripieno/kernels/emulator/emulated_gpu.h"
#include "ripieno/training/step_graph.h"

namespace ripieno {
namespace {

using distributed::Communicator;
using distributed::DataParallel;
using distributed::DataParallelOptions;
using distributed::testing::NcclScript;
using distributed::testing::set_script;
using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::ThrowsMessage;
using Mode = StepGraphOptions::Mode;

const int kTwoGpus = setenv("RIPIENO_EMULATED_GPUS", "2", 1);

// What differs from ten steps of four rows on each rank. `at` is called on each rank before each
// step; `within` and `between` in each call of the step, before and after its backward.
struct Training {
  DataParallelOptions options = {.bucket_bytes = 256};
  double max_gradient_norm = 1.0;
  int steps = 10;
  std::function<int64_t(int rank, int step)> rows = [](int, int) { return 4; };
  std::function<void(int rank, int step, nn::Mlp&)> at = [](int, int, nn::Mlp&) {};
  std::function<void(int rank)> within = [](int) {}, between = [](int) {};
};

struct Rank {
  std::vector<double> losses;
  std::vector<float> parameters;
  std::vector<std::string> remarks;
  int64_t replayed = 0;
};

io::Batch batch_of(int64_t rows, int rank, int step, Device device) {
  Tensor x({rows, 5});
  fill_uniform(x, -1.0, 1.0, {.seed = static_cast<uint64_t>(10 * step + rank)});
  return {x.to(device), Tensor::full({rows}, 1, DType::int32, device)};
}

// Trains as one of two ranks.
Rank train(Communicator& ranks, Device device, Mode mode, const Training& training) {
  Rank result;
  nn::Mlp model({5, 33, 3});
  model.to(device);
  optim::AdamW optimizer(model.parameters(), {.max_gradient_norm = training.max_gradient_norm});
  DataParallel parallel(model, optimizer, ranks, training.options);
  StepGraph graph(parallel, {.mode = mode, .remark = [&](const std::string& line) {
                               result.remarks.push_back(line);
                             }});
  for (int step = 1; step <= training.steps; ++step) {
    const auto batch = batch_of(training.rows(ranks.rank(), step), ranks.rank(), step, device);
    training.at(ranks.rank(), step, model);
    graph.run(batch, [&](const io::Batch& rows) {
      training.within(ranks.rank());
      parallel.backward(rows.inputs.shape()[0], [&](int64_t begin, int64_t end) {
        return model.loss(rows.inputs.slice(0, begin, end), rows.targets.slice(0, begin, end));
      });
      training.between(ranks.rank());
      parallel.step();
    });
    result.losses.push_back(parallel.loss().mean());
  }
  result.parameters = model.parameters().values().flat().to_vector<float>();
  result.replayed = parallel.replayed_steps();
  return result;
}

std::vector<Rank> train_on_two(Mode mode, const Training& training) {
  std::vector<Rank> results(2);
  distributed::testing::on_every_rank(2, [&](Communicator& group) {
    const Device device = Device::cuda(group.rank());
    kernels::cuda::set_device(device.index);
    const auto ranks = distributed::over_nccl(group.duplicate(), device);
    results[static_cast<std::size_t>(group.rank())] = train(*ranks, device, mode, training);
  });
  return results;
}

void expect_same_results(const std::vector<Rank>& a, const std::vector<Rank>& b) {
  for (std::size_t rank = 0; rank < 2; ++rank) {
    EXPECT_EQ(a[rank].losses, b[rank].losses);
    EXPECT_EQ(a[rank].parameters, b[rank].parameters);
  }
  EXPECT_EQ(a[0].parameters, a[1].parameters);
}

class RanksStepGraph : public ::testing::Test {
 protected:
  void SetUp() override {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    set_script({});
  }
  void TearDown() override { set_script({}); }

  // Trains as given, with and without a graph, which makes no difference.
  static std::vector<Rank> replayed(const Training& training) {
    const auto plain = train_on_two(Mode::off, training);
    const auto replayed = train_on_two(Mode::automatic, training);
    expect_same_results(replayed, plain);
    return replayed;
  }
};

// ---- Steps that are replayed

struct Case {
  std::string name;
  DataParallelOptions options;
};

class ReplayedRanks : public RanksStepGraph, public ::testing::WithParamInterface<Case> {};

TEST_P(ReplayedRanks, HaveTheSameLossesAndParametersAsWithoutAGraph) {
  for (const Rank& rank : replayed({.options = GetParam().options})) {
    EXPECT_EQ(rank.replayed, 6);
    EXPECT_THAT(rank.remarks, IsEmpty());
  }
}

INSTANTIATE_TEST_SUITE_P(
    Nccl, ReplayedRanks,
    ::testing::Values(Case{"Overlapping", {.bucket_bytes = 256}},
                      Case{"InFinish", {.bucket_bytes = 256, .overlap = false}},
                      Case{"OneBucket", {.bucket_bytes = 1 << 20}},
                      Case{"InMicroBatches", {.bucket_bytes = 256, .micro_batch_size = 3}},
                      Case{"OverABfloat16Wire", {.bucket_bytes = 256, .wire = DType::bfloat16}}),
    [](const auto& of) { return of.param.name; });

TEST_F(RanksStepGraph, IsRecordedIfNcclTakesAWhileToEnqueueACollective) {
  set_script({.in_progress = 3});
  for (const Rank& rank : replayed({})) EXPECT_EQ(rank.replayed, 6);
}

TEST_F(RanksStepGraph, AReplayDoesNotBlockTheHostOnTheDevice) {
  const char* kWaits[] = {"cudaStreamSynchronize", "cudaEventSynchronize", "cudaDeviceSynchronize",
                          "pageable copy"};
  std::map<std::string, int64_t> calls;
  distributed::testing::on_every_rank(2, [&](Communicator& group) {
    const Device device = Device::cuda(group.rank());
    kernels::cuda::set_device(device.index);
    const auto ranks = distributed::over_nccl(group.duplicate(), device);
    nn::Mlp model({5, 33, 3});
    model.to(device);
    optim::AdamW optimizer(model.parameters());
    DataParallel parallel(model, optimizer, *ranks, {.bucket_bytes = 256});
    StepGraph graph(parallel, {.mode = Mode::on});
    const auto batch = batch_of(4, group.rank(), 1, device);
    for (int step = 1; step <= 7; ++step) {
      group.barrier();
      if (step == 6 && group.rank() == 0) simt::clear_calls();
      group.barrier();
      graph.run(batch, [&](const io::Batch& rows) {
        parallel.backward(model.loss(rows.inputs, rows.targets));
        parallel.step();
      });
    }
    group.barrier();
    if (group.rank() == 0) calls = simt::calls();
    group.barrier();
  });
  EXPECT_EQ(calls["cudaGraphLaunch"], 4);  // two steps of two ranks
  EXPECT_EQ(calls["launch"], 8);           // random key and scalars of the optimizer
  for (const char* wait : kWaits) EXPECT_EQ(calls[wait], 0) << wait;
}

// ---- All ranks, or none

TEST_F(RanksStepGraph, AllRanksRunAStepAsUsualInWhichOneHasOtherRows) {
  // With other rows in the step that would be recorded, the seventh is.
  for (const auto& [at, replays] : {std::pair(6, 5), std::pair(4, 3)}) {
    const auto rows = [at = at](int rank, int step) { return rank == 1 && step == at ? 3 : 4; };
    for (const Rank& rank : replayed({.rows = rows})) EXPECT_EQ(rank.replayed, replays);
  }
}

TEST_F(RanksStepGraph, AllRanksRecordAnewIfOneHasReleasedItsMemory) {
  const auto trained = replayed({.at = [](int rank, int step, nn::Mlp&) {
    if (rank == 1 && step == 7) trim_pools(Device::cuda(1));
  }});
  for (const Rank& rank : trained) EXPECT_EQ(rank.replayed, 3);  // steps 5, 6 and 10
}

TEST_F(RanksStepGraph, NoRankReplaysIfOneCannotRecord) {
  const auto read_a_value = [](int rank) {
    if (rank == 1) sum(Tensor::zeros({3}, DType::float32, Device::cuda(1))).item();
  };
  for (const Training& training :
       {Training{.within = read_a_value}, Training{.between = read_a_value}}) {
    const auto trained = replayed(training);
    for (const Rank& rank : trained) EXPECT_EQ(rank.replayed, 0);
    EXPECT_THAT(trained[0].remarks, IsEmpty());
    EXPECT_THAT(trained[1].remarks, ElementsAre(AllOf(HasSubstr("CUDA graph: on rank 1, copy of "),
                                                      HasSubstr("from or to host memory"))));
  }
}

TEST_F(RanksStepGraph, NoRankRecordsIfOneHasAGradientHook) {
  const auto trained = replayed({.at = [](int rank, int step, nn::Mlp& model) {
    if (rank == 0 && step == 6) Tensor(model.parameters().tensors()[0]).on_gradient([] {});
  }});
  for (const Rank& rank : trained) EXPECT_EQ(rank.replayed, 1);
  EXPECT_THAT(trained[0].remarks, ElementsAre(HasSubstr("a hook (on_gradient) of ")));
  EXPECT_THAT(trained[1].remarks, IsEmpty());
}

TEST_F(RanksStepGraph, OneRankMayBeSetToRunWithoutAGraph) {
  std::vector<Rank> trained(2);
  distributed::testing::on_every_rank(2, [&](Communicator& group) {
    const Device device = Device::cuda(group.rank());
    kernels::cuda::set_device(device.index);
    const auto ranks = distributed::over_nccl(group.duplicate(), device);
    const Mode mode = group.rank() == 0 ? Mode::automatic : Mode::off;
    trained[static_cast<std::size_t>(group.rank())] = train(*ranks, device, mode, {});
  });
  expect_same_results(trained, train_on_two(Mode::off, {}));
  for (const Rank& rank : trained) EXPECT_EQ(rank.replayed, 0);
}

TEST_F(RanksStepGraph, ShardsAndCompressedGradientsRunAsUsualWithOneRemark) {
  using distributed::Shard;
  const std::pair<DataParallelOptions, const char*> cases[] = {
      {{.shard = Shard::optimizer}, "parallel.shard: shards are padded in memory"},
      {{.shard = Shard::gradients}, "parallel.shard: shards are padded in memory"},
      {{.power_sgd_rank = 1}, "the sum of gradients uses memory that a graph does not keep"}};
  for (const auto& [options, why] : cases) {
    const auto trained = replayed({.options = options, .steps = 5});
    for (const Rank& rank : trained) EXPECT_EQ(rank.replayed, 0);
    EXPECT_THAT(trained[0].remarks, ElementsAre(HasSubstr(why)));
    EXPECT_THAT(trained[1].remarks, IsEmpty());
    EXPECT_THAT([&] { train_on_two(Mode::on, {.options = options}); },
                ThrowsMessage<ConfigurationError>(HasSubstr(why)));
  }
}

// ---- Failures

// The second replay of two ranks never ends.
void replay_until_it_hangs() {
  setenv("RIPIENO_EMULATED_GPUS", "2", 1);
  distributed::testing::on_every_rank(2, [&](Communicator& group) {
    const Device device = Device::cuda(group.rank());
    kernels::cuda::set_device(device.index);
    const auto ranks = distributed::over_nccl(group.duplicate(), device);
    ranks->set_timeout(std::chrono::seconds(1));
    train(*ranks, device, Mode::on, {.at = [&](int, int step, nn::Mlp&) {
      if (step != 6) return;
      group.barrier();
      set_script({.hangs = true});
      group.barrier();
    }});
  });
}

TEST_F(RanksStepGraph, AReplayThatNeverEndsEndsTheProcess) {
  EXPECT_DEATH(replay_until_it_hangs(),
               "replayed_step over NCCL on rank . of 2: timed out after 1 s waiting for the other "
               "ranks");
}

}  // namespace
}  // namespace ripieno
