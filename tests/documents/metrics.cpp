// The snippets of docs/metrics.md.
#include <ripieno/ripieno.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>
#include <vector>

#include "documents/labeled_points.h"

using namespace ripieno;

// The number of rows whose target is among the `count` largest logits.
int64_t count_among_largest(int64_t count, const Tensor& logits, const Tensor& targets) {
  const auto values = logits.to_vector<float>();
  const auto classes = targets.to_vector<int32_t>();
  int64_t found = 0;
  for (std::size_t row = 0; row < classes.size(); ++row) {
    const auto first = values.begin() + static_cast<int64_t>(row) * logits.size(1);
    const float wanted = first[classes[row]];
    const auto larger =
        std::count_if(first, first + logits.size(1), [&](float value) { return value > wanted; });
    found += larger < count;
  }
  return found;
}

// The divergence of the uniform distribution from softmax(logits), mean over the rows.
double kl_to_reference(const Tensor& logits) {
  const NoGrad no_grad;
  return -std::log(static_cast<double>(logits.size(1))) - mean(log_softmax(logits)).item();
}

double mean_reward(const Tensor& logits) {
  const NoGrad no_grad;
  return mean(max(logits, 1)).item();
}

int train(int argc, char** argv) {
  Session session(argc, argv);
  const auto [x, y] = labeled_points(640, 8, 8);
  const auto data = std::make_shared<io::MemoryDataset>(x.slice(0, 0, 512), y.slice(0, 0, 512));
  const auto held_out =
      std::make_shared<io::MemoryDataset>(x.slice(0, 512, 640), y.slice(0, 512, 640));
  io::BatchLoader loader(
      data, {.batch_size = 32, .order = io::shuffled(512, 1), .validation = held_out}, session);
  nn::Mlp model({8, 32, 8});
  model.to(session.device());
  optim::AdamW optimizer(model.parameters(), {.learning_rate = 1e-2});
  DataParallel parallel(model, optimizer, session.communicator());
  Run run("runs/metrics", session, model, optimizer, loader,
          {.steps = 100,
           .evaluate_every = 50,
           .shown = {"kl", "gradient_norm"},
           .parallel = &parallel,
           .progress = stdout,
           .messages = stderr});
  run.after_validation([&](const io::StepMetrics& validated) {  // before the loop
    const double loss = validated.get(io::metric::kValidationLoss).value();
    const auto best = run.kept("best_loss");  // also of earlier starts; null at first
    if (best.is_null() || loss < best.get<double>()) {
      run.keep_in_checkpoints("best_loss", loss);
    } else if (loss > 1.5 * best.get<double>()) {
      run.finish();  // stops early
    }
  });
  run.validate_with([&](const io::Batch& batch) {  // before the loop
    const Tensor logits = model(batch.inputs);
    const int64_t correct = count_among_largest(1, logits, batch.targets);
    const int64_t among_five = count_among_largest(5, logits, batch.targets);
    return Measured{cross_entropy(logits, batch.targets),
                    {{"accuracy", correct}, {"top_5", among_five}}};
  });
  while (const auto batch = run.next()) {
    const Tensor logits = model(batch->inputs);
    const double kl = kl_to_reference(logits), reward = mean_reward(logits);
    parallel.backward(cross_entropy(logits, batch->targets));
    parallel.step();
    run.log({{"kl", kl}, {"reward", reward}});  // beside the loss, in this step's line
  }
  return run.exit_status();
}

int main(int argc, char** argv) {
  return run_program([&] { return train(argc, argv); });
}
