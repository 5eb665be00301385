// A small and fast run for tests: a GPT of one block on a synthetic text, on one thread per rank.
#pragma once

#include <gtest/gtest.h>

#include <exception>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "io/files/temporary_directory.h"
#include "ripieno/core/models/gpt.h"
#include "ripieno/core/optim/adamw.h"
#include "ripieno/core/optim/optimizers.h"
#include "ripieno/core/random.h"
#include "ripieno/distributed/data_parallel.h"
#include "ripieno/io/data/token_loader.h"
#include "ripieno/io/run/metrics_reader.h"
#include "ripieno/training/run/run.h"
#include "ripieno/training/step_graph.h"

namespace ripieno {

using io::TemporaryDirectory;

// 2,000 characters of an alphabet of four, in a pattern whose period grows.
inline std::string tiny_text() {
  std::string text;
  for (int i = 0; i < 2000; ++i) text += "abcd"[i / (1 + i / 500) % 4];
  return text;
}

// Called on each rank before each step, with its number; with -1 before a batch of validation.
using StepHook = std::function<void(Session&, int64_t step)>;

struct TinyRun {
  std::string directory;
  RunOptions options = {.steps = 12, .checkpoint_every = 5, .evaluate_every = 4};
  int64_t batch_size = 8;
  double dropout = 0.1;
  int64_t channels = 8;
  uint64_t seed = 3;
  DType precision = DType::float32;
  double max_gradient_norm = 0.0;
  std::string optimizer_kind = "adamw";
  double average_decay = 0.0;  // of Optimizer::keep_average(); 0: none
  std::string text = tiny_text();
  std::string device = "cpu";
  // Called on each rank after the optimizer step, to inject a fault.
  using Fault = std::function<void(Session&, optim::Optimizer&, int64_t step)>;
  Fault after_step = {};
  // Further metrics of a step, and whether to leave the loop after it.
  std::function<std::vector<io::Metric>(int64_t step)> extra_metrics = {};
  std::function<bool(Run&)> stops_early = {};
  // Whether to leave the loop in a step, before the optimizer's step or before log().
  std::function<bool(int64_t step)> leaves_before_optimizer = {}, leaves_before_log = {};
  std::function<void(Run&)> before_loop = {};  // called on each rank
  std::string tokenizer = {};                  // passed to keep_and_compare() unless empty
  distributed::DataParallelOptions parallel_options = {};
  StepGraphOptions graph = {.mode = StepGraphOptions::Mode::off};

  // Runs one rank. Returns the exit status.
  int train(Session& session, const StepHook& before_step = {}) const {
    random_context().seed = seed;
    if (device != "cpu") session.use_device(device);
    session.set_slots(parallel_options.slots);
    const auto data = io::TokenData::of(text, io::Tokenizer::characters_of(text));
    io::TokenLoader loader(data, {.batch_size = batch_size, .context = 16, .seed = seed}, session);
    nn::Gpt model({.vocab = 4,
                   .layers = 1,
                   .heads = 2,
                   .channels = channels,
                   .context = 16,
                   .dropout = dropout});
    model.to(session.device(), precision);
    const auto made = optim::make_optimizer(optimizer_kind, model.parameters(),
                                            {.learning_rate = 1e-2,
                                             .max_gradient_norm = max_gradient_norm,
                                             .scales_loss = precision == DType::float16});
    optim::Optimizer& optimizer = *made;
    if (average_decay > 0) optimizer.keep_average({.decay = average_decay});
    distributed::DataParallel parallel(model, optimizer, session.communicator(), parallel_options);
    RunOptions timed = options;
    timed.parallel = &parallel;
    Run run(directory, session, model, optimizer, loader, timed);
    if (!tokenizer.empty()) run.keep_and_compare("tokenizer", tokenizer);
    run.validate_with([&](const io::Batch& batch) {
      if (before_step) before_step(session, -1);
      return model.loss(batch.inputs, batch.targets);
    });
    if (before_loop) before_loop(run);
    StepGraph step_graph(parallel, graph);
    const auto backward = [&](const io::Batch& batch) {
      parallel.backward(batch.inputs.size(0), [&](int64_t begin, int64_t end) {
        return model.loss(batch.inputs.slice(0, begin, end), batch.targets.slice(0, begin, end));
      });
    };
    while (const auto batch = run.next()) {
      if (before_step) before_step(session, run.step() + 1);
      if (leaves_before_optimizer && leaves_before_optimizer(run.step() + 1)) {
        backward(*batch);
        break;
      }
      step_graph.run(*batch, [&](const io::Batch& rows) {
        backward(rows);
        parallel.step();
      });
      if (leaves_before_log && leaves_before_log(run.step() + 1)) break;
      if (after_step) after_step(session, optimizer, run.step() + 1);
      run.log(extra_metrics ? extra_metrics(run.step() + 1) : std::vector<io::Metric>());
      if (stops_early && stops_early(run)) break;
    }
    return run.exit_status();
  }

  // Runs all ranks, one thread each. Returns the exit status of rank 0, or rethrows its exception.
  int train_on(int ranks, const StepHook& before_step = {}) const {
    auto group = distributed::in_process(ranks);
    std::vector<int> statuses(group.size());
    std::vector<std::exception_ptr> failures(group.size());
    std::vector<std::thread> threads;
    for (std::size_t rank = 0; rank < group.size(); ++rank) {
      threads.emplace_back([&, rank] {
        try {
          Session session(std::move(group[rank]));
          statuses[rank] = train(session, before_step);
        } catch (...) {
          failures[rank] = std::current_exception();
        }
      });
    }
    for (auto& thread : threads) thread.join();
    if (failures[0]) std::rethrow_exception(failures[0]);
    for (const int status : statuses) EXPECT_EQ(status, statuses[0]);
    return statuses[0];
  }

  std::map<int64_t, double> losses() const { return values(io::metric::kLoss); }
  std::map<int64_t, double> validation_losses() const {
    return values(io::metric::kValidationLoss);
  }
  std::map<int64_t, double> loss_scales() const { return values(io::metric::kLossScale); }
  std::map<int64_t, double> skipped_steps() const { return values(io::metric::kSkippedSteps); }
  std::map<int64_t, double> values(const char* name) const {
    std::map<int64_t, double> found;
    for (const auto& metrics : io::read_metrics(directory + "/metrics.jsonl")) {
      if (const auto value = metrics.get(name)) found[metrics.step] = *value;
    }
    return found;
  }
};

}  // namespace ripieno
