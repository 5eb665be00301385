#include "ripieno/training/run/validation.h"

#include <cmath>
#include <utility>

#include "ripieno/core/autograd.h"
#include "ripieno/core/trace.h"

namespace ripieno {
namespace {

// Blocking copies: the host waits for each batch anyway.
io::Batch on_device(io::Batch batch, Device device) {
  batch.inputs = batch.inputs.to(device);
  batch.targets = batch.targets.to(device);
  for (auto& extra : batch.extras) extra.tensor = extra.tensor.to(device);
  return batch;
}

}  // namespace

Validation::Validation(Session& session, nn::Module& model, const io::Loader& loader,
                       int64_t batch_size)
    : session_(session), model_(model) {
  session_.together([&] { held_out_ = loader.held_out(batch_size); });
}

void Validation::measure_with(std::function<Measured(const io::Batch&)> measure) {
  measure_ = std::move(measure);
}

void Validation::measure_batch(int64_t index, ValidationSums& sums) {
  io::Batch batch;
  {
    const trace::Scope traced({.name = "validation data"});
    batch = on_device(held_out_->batch(index), session_.device());
  }
  sums.add(batch, measure_);
}

std::optional<io::StepMetrics> Validation::run(int64_t step) {
  // Ranks with different numbers of batches would wait for each other.
  session_.require_agreement(
      {{"the step of the validation", std::to_string(step)},
       {"the number of validation batches", std::to_string(held_out_->batches())}});
  const NoGrad no_grad;
  model_.evaluate();
  ValidationSums sums(session_);
  bool stopped = false;
  for (int64_t i = 0; i < held_out_->batches() && !stopped; ++i) {
    measure_batch(i, sums);
    stopped = session_.stops_now();
    if (after_batch_) after_batch_();
  }
  model_.train();
  if (stopped) return std::nullopt;

  const auto total = sums.finish(session_.communicator());
  was_finite_ = std::isfinite(total.loss) && std::isfinite(total.count);
  io::StepMetrics metrics{.step = step};
  metrics.set({io::metric::kValidationLoss, total.loss / total.count});
  for (const auto& [name, sum] : total.sums) metrics.set({name, sum / total.count});
  return metrics;
}

}  // namespace ripieno
