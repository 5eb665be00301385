// Lion: steps of the sign of a momentum, with decoupled weight decay (Chen et al., 2023, arXiv
// 2302.06675). Its learning rate is usually 3 to 10 times smaller than that of AdamW, and its
// weight decay as many times larger.
#pragma once

#include "ripieno/core/optim/optimizer.h"

namespace ripieno::optim {

struct LionOptions {
  double learning_rate = 1e-4;
  double beta1 = 0.9, beta2 = 0.99;  // of the momentum: in the update, and from step to step
  double weight_decay = 0.0;
  ParameterPredicate decays = {};  // see Common
  double max_gradient_norm = 0.0;
  double max_gradient_value = 0.0;
  bool scales_loss = false;
  std::vector<ParameterGroup> groups = {};
};

// Throws ConfigurationError for a beta outside [0, 1).
void check(const LionOptions& options);

class Lion final : public Optimizer {
 public:
  // Throws ConfigurationError as check() does, and for a negative learning rate, decay or norm.
  explicit Lion(Parameters parameters, const LionOptions& options = {});

  std::vector<Option> options() const override;

 private:
  void prepare() override;
  void update(const Range& range) override;

  double beta1_, beta2_;
};

}  // namespace ripieno::optim
