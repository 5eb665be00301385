// MomentOptimizer: what Adam, AdamW and LAMB share, the decaying means of the gradient and of its
// square.
#pragma once

#include "ripieno/core/optim/optimizer.h"
#include "ripieno/kernels/optimizer.h"

namespace ripieno::optim {

class MomentOptimizer : public Optimizer {
 public:
  std::vector<Option> options() const final;

 protected:
  // Options: AdamOptions, AdamWOptions or LambOptions, which the derived class checks.
  template <typename Options>
  MomentOptimizer(Parameters parameters, const Options& options)
      : Optimizer(
            std::move(parameters),
            {options.learning_rate, options.weight_decay, options.decays, options.max_gradient_norm,
             options.max_gradient_value, options.scales_loss, options.groups}),
        constants_{options.beta1, options.beta2, options.epsilon} {}

  const kernels::AdamWConstants& constants() const { return constants_; }
  float* first_moment(const Range& range) const { return numbers("first_moment", range); }
  float* second_moment(const Range& range) const { return numbers("second_moment", range); }

 private:
  void prepare() final;
  std::pair<double, double> decays_of_moments() const final {
    return {constants_.beta1, constants_.beta2};
  }

  kernels::AdamWConstants constants_;
};

}  // namespace ripieno::optim
