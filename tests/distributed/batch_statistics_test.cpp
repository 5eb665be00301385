// Batch norm on several ranks: the same numbers as one rank with the whole batch; in strict mode
// the same bits on any number of ranks.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "distributed/on_every_rank.h"
#include "ripieno/core/losses/cross_entropy.h"
#include "ripieno/core/nn/channel_norm.h"
#include "ripieno/core/nn/convolution.h"
#include "ripieno/core/nn/linear.h"
#include "ripieno/core/ops/activation.h"
#include "ripieno/core/ops/pooling.h"
#include "ripieno/core/optim/sgd.h"
#include "ripieno/core/random.h"
#include "ripieno/distributed/data_parallel.h"
#include "support/gpu_test.h"

namespace ripieno::distributed {
namespace {

using testing::on_every_rank;

constexpr int64_t kImages = 12, kSide = 5, kClasses = 3;

Tensor images() {
  std::vector<double> values(kImages * 2 * kSide * kSide);
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = std::sin(static_cast<double>(i) * 1.7) + 0.01 * static_cast<double>(i % 31);
  return Tensor::of({kImages, 2, kSide, kSide}, values);
}

Tensor labels() {
  std::vector<int32_t> values(kImages);
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<int32_t>(i * i % kClasses);
  return Tensor::of({kImages}, values);
}

struct Network final : nn::Module {
  nn::Conv2d conv1{2, 4, 3, {.padding = 1, .bias = false}};
  nn::Conv2d conv2{4, 6, 3};
  nn::BatchNorm norm1, norm2;
  nn::Linear head{6, kClasses};

  explicit Network(const nn::BatchNormOptions& options = {})
      : norm1(4, options), norm2(6, options) {
    add("conv1", conv1);
    add("norm1", norm1);
    add("conv2", conv2);
    add("norm2", norm2);
    add("head", head);
  }
  Tensor forward(const Tensor& x) const override {
    return head(global_average_pool(relu(norm2(conv2(relu(norm1(conv1(x))))))));
  }
};

struct Trained {
  std::vector<double> losses, parameters, buffers;
};

struct Job {
  DataParallelOptions options = {.bucket_bytes = 256};
  nn::BatchNormOptions norm = {};
  DType precision = DType::float64;
  Device device = Device::cpu();
  int steps = 4;

  // Rank r has images [begin, end) of the batch.
  Trained train(Communicator& ranks, int64_t begin, int64_t end) const {
    random_context().seed = 7;
    random_context().first_row = begin;
    Network model(norm);
    model.to(device, precision);
    optim::Sgd optimizer(model.parameters(), {.learning_rate = 0.1, .momentum = 0.9});
    DataParallel parallel(model, optimizer, ranks, options);
    const Tensor x = images().to(precision).slice(0, begin, end).to(device);
    const Tensor y = labels().slice(0, begin, end).to(device);
    Trained result;
    for (int step = 0; step < steps; ++step) {
      parallel.backward(end - begin, [&](int64_t first, int64_t last) {
        return cross_entropy(model(x.slice(0, first, last)), y.slice(0, first, last));
      });
      parallel.step();
      result.losses.push_back(parallel.loss().mean());
    }
    parallel.synchronize();
    result.parameters = model.parameters().values().flat().to_vector<double>();
    result.buffers = model.buffers().flat().to_vector<double>();
    return result;
  }

  std::vector<Trained> on(int size) const {
    std::vector<Trained> results(static_cast<std::size_t>(size));
    on_every_rank(size, [&](Communicator& ranks) {
      const int64_t rank = ranks.rank();
      results[static_cast<std::size_t>(rank)] =
          train(ranks, kImages * rank / size, kImages * (rank + 1) / size);
    });
    return results;
  }
};

void expect_near(const std::vector<double>& a, const std::vector<double>& b, double tolerance) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a[i], b[i], tolerance) << i;
}

TEST(BatchStatistics, AreThoseOfAllRanksRows) {
  const Trained alone = Job{}.on(1).front();
  for (const Shard shard : {Shard::none, Shard::gradients}) {
    for (const int size : {2, 3, 4}) {
      SCOPED_TRACE(size);
      Job job;
      job.options.shard = shard;
      for (const Trained& rank : job.on(size)) {
        expect_near(rank.losses, alone.losses, 1e-12);
        expect_near(rank.parameters, alone.parameters, 1e-12);
        expect_near(rank.buffers, alone.buffers, 1e-6);  // float32
      }
    }
  }
}

class BatchStatisticsOnGpu : public ripieno::testing::GpuTest {};

TEST_F(BatchStatisticsOnGpu, AreThoseOfAllRanksRows) {
  Job job;
  const Trained alone = job.on(1).front();
  job.device = Device::cuda();
  for (const Trained& rank : job.on(2)) {
    expect_near(rank.losses, alone.losses, 1e-6);
    expect_near(rank.parameters, alone.parameters, 1e-6);
    expect_near(rank.buffers, alone.buffers, 1e-6);
  }
}

TEST(BatchStatistics, AreEachRanksOwnIfNotSynchronized) {
  Job job;
  job.norm.synchronized = false;
  const Trained alone = job.on(1).front(), shared = job.on(2).front();
  EXPECT_GT(std::abs(alone.losses.back() - shared.losses.back()), 1e-6);
}

TEST(BatchStatistics, AreThoseOfTheMicroBatchOfAllRanks) {
  Job job;
  job.options.micro_batch_size = 3;
  const Trained two = job.on(2).front();  // 2 micro-batches of 6 rows
  // Rank r of 2 has rows [6 r, 6 r + 6), so a micro-batch are rows {0-2, 6-8}, then {3-5, 9-11}.
  const auto reordered = [&] {
    random_context().seed = 7;
    Network model;
    model.to(Device::cpu(), DType::float64);
    optim::Sgd optimizer(model.parameters(), {.learning_rate = 0.1, .momentum = 0.9});
    const auto ranks = alone();
    DataParallel parallel(model, optimizer, *ranks, {.micro_batch_size = 6});
    const std::vector<int64_t> order = {0, 1, 2, 6, 7, 8, 3, 4, 5, 9, 10, 11};
    Tensor x({kImages, 2, kSide, kSide}, DType::float64), y({kImages}, DType::int32);
    for (int64_t i = 0; i < kImages; ++i) {
      const int64_t from = order[static_cast<std::size_t>(i)];
      x.slice(0, i, i + 1).copy_from(images().slice(0, from, from + 1));
      y.slice(0, i, i + 1).copy_from(labels().slice(0, from, from + 1));
    }
    std::vector<double> losses;
    for (int step = 0; step < job.steps; ++step) {
      parallel.backward(kImages, [&](int64_t first, int64_t last) {
        return cross_entropy(model(x.slice(0, first, last)), y.slice(0, first, last));
      });
      parallel.step();
      losses.push_back(parallel.loss().mean());
    }
    return losses;
  };
  expect_near(two.losses, reordered(), 1e-12);
}

TEST(BatchStatistics, OfASlotGiveTheSameBitsOnAnyNumberOfRanks) {
  Job job;
  job.options = {.slots = 4};
  job.precision = DType::float32;
  const Trained alone = job.on(1).front();
  for (const int size : {2, 4}) {
    for (const Trained& rank : job.on(size)) {
      EXPECT_EQ(rank.losses, alone.losses);
      EXPECT_EQ(rank.parameters, alone.parameters);
      EXPECT_EQ(rank.buffers, alone.buffers);
    }
  }
}

TEST(BatchStatistics, NameTheCauseIfARankHasFewerMicroBatches) {
  const auto train_with_missing_rows = [] {
    on_every_rank(2, [&](Communicator& ranks) {
      Network model;
      optim::Sgd optimizer(model.parameters());
      DataParallel parallel(model, optimizer, ranks);
      if (ranks.rank() == 0) {
        parallel.backward(cross_entropy(model(images().to(DType::float32)), labels()));
      } else {
        parallel.backward();
      }
      parallel.step();
    });
  };
  EXPECT_THAT(train_with_missing_rows, ::testing::ThrowsMessage<Error>(::testing::HasSubstr(
                                           "requires the same number of micro-batches on each")));
}

TEST(BatchStatistics, OfAModelThatIsNotTrainedTogetherAreItsOwn) {
  on_every_rank(2, [&](Communicator& ranks) {
    Network trained, other;
    optim::Sgd optimizer(trained.parameters());
    const DataParallel parallel(trained, optimizer, ranks);
    // A collective of one rank would not return.
    if (ranks.rank() == 0) other(images().to(DType::float32));
  });
}

}  // namespace
}  // namespace ripieno::distributed
