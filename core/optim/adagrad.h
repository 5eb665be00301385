// Adagrad: steps that shrink with the sum of the squared gradients (Duchi et al., 2011).
#pragma once

#include "ripieno/core/optim/optimizer.h"

namespace ripieno::optim {

// The defaults are those of PyTorch.
struct AdagradOptions {
  double learning_rate = 1e-2;
  double learning_rate_decay = 0.0;  // the rate of step t is divided by 1 + (t - 1) of it
  double initial_sum = 0.0;          // of squared gradients
  double epsilon = 1e-10;
  double weight_decay = 0.0;       // added to the gradient
  ParameterPredicate decays = {};  // see Common
  double max_gradient_norm = 0.0;
  double max_gradient_value = 0.0;
  bool scales_loss = false;
  std::vector<ParameterGroup> groups = {};
};

// Throws ConfigurationError for a negative number, or an epsilon that is not a positive normal
// float.
void check(const AdagradOptions& options);

class Adagrad final : public Optimizer {
 public:
  // Throws ConfigurationError as check() does, and for a negative learning rate, decay or norm.
  explicit Adagrad(Parameters parameters, const AdagradOptions& options = {});

  std::vector<Option> options() const override;

 private:
  void prepare() override;
  void update(const Range& range) override;

  double learning_rate_decay_, initial_sum_, epsilon_;
};

}  // namespace ripieno::optim
