// AdamW: Adam with decoupled weight decay (Loshchilov and Hutter, 2019, arXiv 1711.05101).
#pragma once

#include "ripieno/core/optim/moment_optimizer.h"

namespace ripieno::optim {

// The defaults are those of PyTorch, except for weight_decay, which is 0.
struct AdamWOptions {
  double learning_rate = 1e-3;
  double beta1 = 0.9, beta2 = 0.999;  // decay rates of the two moments
  double epsilon = 1e-8;
  double weight_decay = 0.0;
  ParameterPredicate decays = {};  // see Common
  double max_gradient_norm = 0.0;
  double max_gradient_value = 0.0;
  bool scales_loss = false;
  std::vector<ParameterGroup> groups = {};
};

// Throws ConfigurationError for a beta outside [0, 1), or an epsilon that is not a positive normal
// float: with 0, a parameter without gradient would be divided by 0.
void check(const AdamWOptions& options);

class AdamW final : public MomentOptimizer {
 public:
  // Throws ConfigurationError as check() does, and for a negative learning rate, decay or norm.
  explicit AdamW(Parameters parameters, const AdamWOptions& options = {});

 private:
  void update(const Range& range) override;
};

}  // namespace ripieno::optim
