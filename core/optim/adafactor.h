// Adafactor: Adam's second moment as one number for each row and each column of a matrix (Shazeer
// and Stern, 2018, arXiv 1804.04235), without a first moment. Its state is much smaller than the
// model.
#pragma once

#include "ripieno/core/optim/optimizer.h"

namespace ripieno::optim {

// The rule and its defaults are those of PyTorch: steps are in proportion to the root mean square
// of a tensor's values. Tensors of more than two axes are matrices of their last two.
struct AdafactorOptions {
  double learning_rate = 1e-2;          // at most 1 / sqrt(step)
  double decay_exponent = -0.8;         // the mean squares move by step^decay_exponent in each step
  std::optional<double> epsilon1 = {};  // of root mean squares; empty: of the element type
  double epsilon2 = 1e-3;               // least root mean square of values
  double clip_threshold = 1.0;  // of the root mean square of a step, before the learning rate
  double weight_decay = 0.0;
  ParameterPredicate decays = {};  // see Common
  double max_gradient_norm = 0.0;
  double max_gradient_value = 0.0;
  bool scales_loss = false;
  std::vector<ParameterGroup> groups = {};
};

// Throws ConfigurationError for a decay exponent above 0, an epsilon that is not a positive normal
// float, or a threshold that is not positive.
void check(const AdafactorOptions& options);

class Adafactor final : public Optimizer {
 public:
  // Throws ConfigurationError as check() does, and for a negative learning rate, decay or norm.
  explicit Adafactor(Parameters parameters, const AdafactorOptions& options = {});

  std::vector<Option> options() const override;
  bool needs_whole_tensors() const override { return true; }

 private:
  void prepare() override;
  void update(const Range& range) override;

  double decay_exponent_, epsilon2_, clip_threshold_;
  std::optional<double> epsilon1_;
};

}  // namespace ripieno::optim
