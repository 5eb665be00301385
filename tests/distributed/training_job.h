// A small training job for tests of DataParallel: an MLP on 24 samples, some of whose targets are
// ignored.
#pragma once

#include <cmath>
#include <vector>

#include "ripieno/core/models/mlp.h"
#include "ripieno/core/optim/adamw.h"
#include "ripieno/core/random.h"
#include "ripieno/distributed/data_parallel.h"

namespace ripieno::distributed::testing {

constexpr int64_t kSamples = 24, kFeatures = 5, kClasses = 3;

inline Tensor features() {
  std::vector<float> values(kSamples * kFeatures);
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = std::sin(static_cast<float>(i) * 1.7f);
  }
  return Tensor::of({kSamples, kFeatures}, values);
}

inline Tensor targets() {
  std::vector<int32_t> values(kSamples);
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = i % 5 == 4 ? kIgnoredTarget : static_cast<int32_t>(i * i % kClasses);
  }
  return Tensor::of({kSamples}, values);
}

struct TrainingJob {
  DataParallelOptions options = {.bucket_bytes = 128};  // several buckets
  int micro_batches = 1;
  int steps = 4;
  DType precision = DType::float32;
  double max_gradient_norm = 1.0;

  struct Result {
    std::vector<float> parameters;
    std::vector<double> losses;
  };

  // Trains one rank. Samples need not be divisible by the number of ranks or micro-batches.
  Result train(Communicator& ranks) const {
    random_context().seed = static_cast<uint64_t>(ranks.rank());  // rank 0's model is used
    nn::Mlp model({kFeatures, 16, 8, kClasses});
    model.to(Device::cpu(), precision);
    optim::AdamW optimizer(
        model.parameters(),
        {.learning_rate = 0.01, .weight_decay = 0.1, .max_gradient_norm = max_gradient_norm});
    DataParallel parallel(model, optimizer, ranks, options);
    Result result;
    for (int step = 0; step < steps; ++step) {
      step_of(model, parallel, ranks);
      result.losses.push_back(parallel.loss().mean());
    }
    result.parameters = model.parameters().values().flat().to_vector<float>();
    return result;
  }

  void step_of(const nn::Mlp& model, DataParallel& parallel, const Communicator& ranks) const {
    const int64_t begin = kSamples * ranks.rank() / ranks.size();
    const int64_t count = kSamples * (ranks.rank() + 1) / ranks.size() - begin;
    for (int part = 0; part < micro_batches; ++part) {
      const int64_t from = begin + count * part / micro_batches;
      const int64_t to = begin + count * (part + 1) / micro_batches;
      parallel.backward(
          model.loss(features().slice(0, from, to).to(precision), targets().slice(0, from, to)),
          part + 1 < micro_batches ? DataParallel::Accumulate::more
                                   : DataParallel::Accumulate::last);
    }
    parallel.step();
  }
};

}  // namespace ripieno::distributed::testing
