// Muon: steps of matrices along their orthogonalized momentum (Jordan et al., 2024,
// https://kellerjordan.github.io/posts/muon), and AdamW for the other parameters.
#pragma once

#include <string>

#include "ripieno/core/optim/optimizer.h"

namespace ripieno::optim {

// The rule of matrices and its defaults are those of PyTorch, except for `scale` and weight_decay,
// which is 0. A parameter of more than two axes, such as a convolution's weight, is a matrix of its
// first axis by all others.
struct MuonOptions {
  double learning_rate = 1e-3;
  double momentum = 0.95;
  bool nesterov = true;
  int iterations = 5;  // of Newton and Schulz, which orthogonalize
  // How the learning rate of a matrix of `rows` and `columns` is scaled.
  enum class Scale {
    adamw,  // by 0.2 sqrt(max(rows, columns)): steps as large as those of AdamW (Liu et al., 2025,
            // arXiv 2502.16982), so that one learning rate serves all parameters
    original  // by sqrt(max(1, rows / columns))
  };
  Scale scale = Scale::adamw;
  // Parameters of two or more axes that AdamW updates nevertheless: embeddings and heads, by the
  // patterns of their names.
  std::vector<std::string> adamw_parameters = {"*tokens*", "*positions*", "*embedding*", "*head*"};
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;  // of AdamW
  double weight_decay = 0.0;
  ParameterPredicate decays = {};  // see Common
  double max_gradient_norm = 0.0;
  double max_gradient_value = 0.0;
  bool scales_loss = false;
  std::vector<ParameterGroup> groups = {};
};

// Throws ConfigurationError for a momentum or beta outside [0, 1), an epsilon that is not a
// positive normal float, or iterations outside [1, 99].
void check(const MuonOptions& options);

class Muon final : public Optimizer {
 public:
  // Throws ConfigurationError as check() does, and for a negative learning rate, decay or norm.
  explicit Muon(Parameters parameters, const MuonOptions& options = {});

  std::vector<Option> options() const override;
  bool needs_whole_tensors() const override { return true; }

 private:
  void prepare() override;
  void update(const Range& range) override;
  void update_tensor(const ParameterView& view) override;
  std::pair<double, double> decays_of_moments() const override {
    return {options_.beta1, options_.beta2};
  }

  MuonOptions options_;
};

// A matrix with the singular vectors of `x` and singular values near 1, in (0.6, 1.3), by
// `iterations` of a quintic polynomial; x is not zero and has two axes. Not recorded.
Tensor orthogonalized(const Tensor& x, int iterations);

}  // namespace ripieno::optim
