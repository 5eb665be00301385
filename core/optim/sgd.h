// Sgd: stochastic gradient descent with momentum (Sutskever et al., 2013), in the form that PyTorch
// uses: velocity = momentum * velocity + gradient.
#pragma once

#include "ripieno/core/optim/optimizer.h"

namespace ripieno::optim {

struct SgdOptions {
  double learning_rate = 1e-2;
  double momentum = 0.0;
  bool nesterov = false;
  double weight_decay = 0.0;       // added to the gradient
  ParameterPredicate decays = {};  // see Common
  double max_gradient_norm = 0.0;
  double max_gradient_value = 0.0;
  bool scales_loss = false;
  std::vector<ParameterGroup> groups = {};
};

// Throws ConfigurationError for a momentum outside [0, 1), or `nesterov` without momentum.
void check(const SgdOptions& options);

class Sgd final : public Optimizer {
 public:
  // Throws ConfigurationError as check() does, and for a negative learning rate, decay or norm.
  explicit Sgd(Parameters parameters, const SgdOptions& options = {});

  std::vector<Option> options() const override;

 private:
  void prepare() override;
  void update(const Range& range) override;

  double momentum_;
  bool nesterov_;
};

}  // namespace ripieno::optim
