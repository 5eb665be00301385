// Validation: measures the data that the loader holds out. Used by Run.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "ripieno/core/nn/module.h"
#include "ripieno/io/data/loader.h"
#include "ripieno/io/run/metrics.h"
#include "ripieno/training/run/validation_sums.h"
#include "ripieno/training/session/session.h"

namespace ripieno {

class Validation {
 public:
  // The session and the model must outlive this object. `batch_size`: global. A collective.
  Validation(Session& session, nn::Module& model, const io::Loader& loader, int64_t batch_size);

  void measure_with(std::function<Measured(const io::Batch&)> measure);
  bool has_samples() const { return held_out_ != nullptr; }
  // Whether there is held-out data and a function to measure it.
  bool is_possible() const { return held_out_ != nullptr && measure_ != nullptr; }
  // Sets a function to be called after each batch.
  void after_batch(std::function<void()> action) { after_batch_ = std::move(action); }
  // Measures all held-out data over all ranks, with the model in evaluation mode. Empty if a signal
  // interrupted it. A collective.
  std::optional<io::StepMetrics> run(int64_t step);
  // Whether the loss of the last run() was finite, also if it covered no targets. The same on all
  // ranks.
  bool was_finite() const { return was_finite_; }

 private:
  void measure_batch(int64_t index, ValidationSums& sums);

  Session& session_;
  nn::Module& model_;
  std::unique_ptr<io::EvaluationSet> held_out_;
  std::function<Measured(const io::Batch&)> measure_;
  std::function<void()> after_batch_;
  bool was_finite_ = true;
};

}  // namespace ripieno
