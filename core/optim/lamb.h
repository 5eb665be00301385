// LAMB: Adam with a step for each tensor in proportion to the norm of its values, for large batches
// (You et al., 2020, arXiv 1904.00962).
#pragma once

#include "ripieno/core/optim/moment_optimizer.h"

namespace ripieno::optim {

struct LambOptions {
  double learning_rate = 1e-3;
  double beta1 = 0.9, beta2 = 0.999;  // decay rates of the two moments
  double epsilon = 1e-6;
  double weight_decay = 0.0;
  ParameterPredicate decays = {};  // see Common
  double max_gradient_norm = 0.0;
  double max_gradient_value = 0.0;
  bool scales_loss = false;
  std::vector<ParameterGroup> groups = {};
};

// Throws ConfigurationError for a beta outside [0, 1), or an epsilon that is not a positive normal
// float.
void check(const LambOptions& options);

class Lamb final : public MomentOptimizer {
 public:
  // Throws ConfigurationError as check() does, and for a negative learning rate, decay or norm.
  explicit Lamb(Parameters parameters, const LambOptions& options = {});

  bool needs_whole_tensors() const override { return true; }

 private:
  void update(const Range& range) override;
};

}  // namespace ripieno::optim
