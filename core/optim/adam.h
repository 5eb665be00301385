// Adam with weight decay added to the gradient, the L2 penalty of the original (Kingma and Ba,
// 2015, arXiv 1412.6980). AdamW (adamw.h) decays weights separately.
#pragma once

#include "ripieno/core/optim/moment_optimizer.h"

namespace ripieno::optim {

// The defaults are those of PyTorch.
struct AdamOptions {
  double learning_rate = 1e-3;
  double beta1 = 0.9, beta2 = 0.999;  // decay rates of the two moments
  double epsilon = 1e-8;
  double weight_decay = 0.0;       // added to the gradient
  ParameterPredicate decays = {};  // see Common
  double max_gradient_norm = 0.0;
  double max_gradient_value = 0.0;
  bool scales_loss = false;
  std::vector<ParameterGroup> groups = {};
};

// Throws ConfigurationError for a beta outside [0, 1), or an epsilon that is not a positive normal
// float.
void check(const AdamOptions& options);

class Adam final : public MomentOptimizer {
 public:
  // Throws ConfigurationError as check() does, and for a negative learning rate, decay or norm.
  explicit Adam(Parameters parameters, const AdamOptions& options = {});

 private:
  void update(const Range& range) override;
};

}  // namespace ripieno::optim
