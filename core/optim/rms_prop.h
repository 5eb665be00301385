// RmsProp: steps divided by the root mean square of recent gradients (Tieleman and Hinton, 2012).
#pragma once

#include "ripieno/core/optim/optimizer.h"

namespace ripieno::optim {

// The defaults are those of PyTorch.
struct RmsPropOptions {
  double learning_rate = 1e-2;
  double decay = 0.99;  // of the mean square
  double epsilon = 1e-8;
  double momentum = 0.0;
  bool centered =
      false;  // divides by the standard deviation instead (Graves, 2013, arXiv 1308.0850)
  double weight_decay = 0.0;       // added to the gradient
  ParameterPredicate decays = {};  // see Common
  double max_gradient_norm = 0.0;
  double max_gradient_value = 0.0;
  bool scales_loss = false;
  std::vector<ParameterGroup> groups = {};
};

// Throws ConfigurationError for a decay or momentum outside [0, 1), or an epsilon that is not a
// positive normal float.
void check(const RmsPropOptions& options);

class RmsProp final : public Optimizer {
 public:
  // Throws ConfigurationError as check() does, and for a negative learning rate, decay or norm.
  explicit RmsProp(Parameters parameters, const RmsPropOptions& options = {});

  std::vector<Option> options() const override;

 private:
  void prepare() override;
  void update(const Range& range) override;

  double decay_, epsilon_, momentum_;
  bool centered_;
};

}  // namespace ripieno::optim
