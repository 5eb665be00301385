// Validation: measures what the loader holds out, for Run.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "ripieno/core/nn/module.h"
#include "ripieno/io/data/loader.h"
#include "ripieno/io/run/metrics.h"
#include "ripieno/training/run/validation_sums.h"
#include "ripieno/training/session/session.h"

namespace ripieno {

class Validation {
 public:
  // The session and the model outlive this. A collective.
  Validation(Session& session, nn::Module& model, const io::Loader& loader, int64_t batch_size);

  void measure_with(std::function<Measured(const io::Batch&)> measure);
  bool has_samples() const { return held_out_ != nullptr; }
  // Whether there is something to measure, and a way to.
  bool is_possible() const { return held_out_ != nullptr && measure_ != nullptr; }
  // Of all that is held out, with the model evaluating, over all ranks; nothing where a signal
  // stopped it. A collective.
  std::optional<io::StepMetrics> run(int64_t step);
  // Whether the loss of the last run() was, or it covered nothing. The same on every rank.
  bool was_finite() const { return was_finite_; }

 private:
  Session& session_;
  nn::Module& model_;
  std::unique_ptr<io::EvaluationSet> held_out_;
  std::function<Measured(const io::Batch&)> measure_;
  bool was_finite_ = true;
};

}  // namespace ripieno
