// AdamW: Adam with decoupled weight decay (Loshchilov and Hutter, 2019).
#pragma once

#include "ripieno/core/optim/optimizer.h"

namespace ripieno::optim {

struct AdamWOptions {
  double learning_rate = 1e-3;
  double beta1 = 0.9, beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0.0;
  ParameterPredicate decays = {};  // see Common
  double max_gradient_norm = 0.0;
  bool scales_loss = false;
  std::vector<ParameterGroup> groups = {};
};

// Throws ConfigurationError for a beta outside [0, 1), or an epsilon that is not positive as a
// float: a parameter without gradient would be divided by 0.
void check(const AdamWOptions& options);

class AdamW final : public Optimizer {
 public:
  explicit AdamW(Parameters parameters, const AdamWOptions& options = {});

 private:
  void prepare() override;
  void update(const Range& range) override;
  std::pair<double, double> decays_of_moments() const override { return {beta1_, beta2_}; }

  double beta1_, beta2_, epsilon_;
};

}  // namespace ripieno::optim
