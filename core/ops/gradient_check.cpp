#include "ripieno/core/ops/gradient_check.h"

#include <algorithm>
#include <cmath>

#include "ripieno/core/autograd.h"
#include "ripieno/core/ops/arithmetic.h"
#include "ripieno/core/ops/reduce.h"
#include "ripieno/core/random.h"

namespace ripieno {
namespace {

Tensor weighted_sum(const Tensor& y) {
  Tensor weights(y.shape(), DType::float64);
  fill_uniform(weights, -1.0, 1.0, {.seed = 17});
  return sum(y * weights);
}

void check_inputs(const std::vector<Tensor>& inputs) {
  for (const Tensor& input : inputs) {
    if (input.dtype() != DType::float64 || input.device().is_cuda() || !input.is_dense()) {
      fail("gradient_check: takes dense float64 tensors on the CPU");
    }
  }
}

}  // namespace

double gradient_check(const std::function<Tensor(const std::vector<Tensor>&)>& function,
                      std::vector<Tensor> inputs, double step) {
  check_inputs(inputs);
  for (Tensor& input : inputs) {
    input.set_requires_gradient();
    input.clear_gradient();
  }
  weighted_sum(function(inputs)).backward();

  const NoGrad no_grad;
  double worst = 0.0;
  for (const Tensor& input : inputs) {
    const Tensor gradient = input.gradient();
    for (int64_t i = 0; i < input.elements(); ++i) {
      double& x = input.data<double>()[i];
      const double before = x;
      x = before + step;
      const double above = weighted_sum(function(inputs)).item();
      x = before - step;
      const double below = weighted_sum(function(inputs)).item();
      x = before;
      const double numeric = (above - below) / (2.0 * step);
      const double exact = gradient.defined() ? gradient.data<double>()[i] : 0.0;
      const double scale = std::max({1.0, std::abs(numeric), std::abs(exact)});
      // Written so that NaN counts as the worst there is.
      const double difference = std::abs(numeric - exact) / scale;
      worst = difference <= worst ? worst : difference;
    }
  }
  return worst;
}

}  // namespace ripieno
