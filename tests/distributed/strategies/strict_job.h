// A small training job for tests of strict mode: a GPT with dropout, on 24 token sequences, with
// some ignored targets.
#pragma once

#include <vector>

#include "ripieno/core/models/gpt.h"
#include "ripieno/core/optim/adamw.h"
#include "ripieno/core/random.h"
#include "ripieno/distributed/data_parallel.h"
#include "ripieno/distributed/strategies/slot_tree.h"
#include "ripieno/kernels/cpu_threads.h"

namespace ripieno::distributed::testing {

struct StrictJob {
  int slots = 8;
  int threads = 1;
  DType dtype = DType::float32;
  int64_t rows = 24;
  int steps = 3;

  struct Result {
    std::vector<float> state;  // parameters, then optimizer state
    std::vector<double> losses, norms;
    bool operator==(const Result&) const = default;
  };

  static constexpr int64_t kContext = 5, kVocabulary = 11;

  Tensor ids(int step, int salt) const {
    std::vector<int32_t> values(static_cast<std::size_t>(rows * kContext));
    for (std::size_t i = 0; i < values.size(); ++i) {
      const auto x = i * i + 7 * i + static_cast<std::size_t>(step * 31 + salt);
      values[i] = static_cast<int32_t>(x % kVocabulary);
      if (salt > 0 && x % 6 == 5) values[i] = kIgnoredTarget;
    }
    return Tensor::of({rows, kContext}, values);
  }

  // Trains one rank.
  Result train(Communicator& ranks) const {
    kernels::set_cpu_threads(threads);
    random_context() = {.seed = 5};
    nn::Gpt model({.vocab = kVocabulary,
                   .layers = 2,
                   .heads = 2,
                   .channels = 8,
                   .context = kContext,
                   .dropout = 0.2});
    model.to(Device::cpu(), dtype);
    optim::AdamW optimizer(model.parameters(), {.learning_rate = 0.01, .max_gradient_norm = 0.3});
    // A bucket size that does not divide the arena.
    DataParallel parallel(model, optimizer, ranks, {.bucket_bytes = 1000, .slots = slots});
    Result result;
    for (int step = 0; step < steps; ++step) {
      step_of(model, parallel, ranks, step);
      result.losses.push_back(parallel.loss().mean());
      result.norms.push_back(optimizer.gradient_norm());
    }
    keep(result, model.parameters().values());
    for (const auto& state : optimizer.state()) keep(result, *state.arena);
    return result;
  }

  void step_of(const nn::Gpt& model, DataParallel& parallel, const Communicator& ranks,
               int step) const {
    const SlotRange own = slots_of(ranks.rank(), ranks.size(), slots);
    const int64_t begin = own.begin * (rows / slots), end = own.end * (rows / slots);
    const Tensor inputs = ids(step, 0).slice(0, begin, end);
    const Tensor targets = ids(step, 3).slice(0, begin, end);
    random_context().step = static_cast<uint64_t>(step + 1);
    random_context().first_row = begin;
    parallel.backward(end - begin, [&](int64_t from, int64_t to) {
      return model.loss(inputs.slice(0, from, to), targets.slice(0, from, to));
    });
    parallel.step();
  }

  static void keep(Result& result, Arena& arena) {
    const auto values = arena.flat().to(DType::float32).to_vector<float>();
    result.state.insert(result.state.end(), values.begin(), values.end());
  }
};

}  // namespace ripieno::distributed::testing
