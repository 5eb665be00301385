#include "ripieno/core/ops/gradient_check.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "ripieno/core/autograd.h"
#include "ripieno/core/ops/arithmetic.h"
#include "ripieno/core/ops/reduce.h"
#include "ripieno/core/random.h"

namespace ripieno {
namespace {

using Inputs = std::vector<Tensor>;

// `index`: the index of the output.
Tensor weighted_sum(const Tensor& y, std::size_t index = 0) {
  Tensor weights(y.shape(), DType::float64);
  fill_uniform(weights, -1.0, 1.0, {.seed = 17 + index});
  return sum(y * weights);
}

template <typename Function>
void check(const Function& function, const Inputs& inputs) {
  if (!function) fail("gradient_check: the function is empty; pass one that can be called");
  for (const Tensor& input : inputs) {
    if (!input.defined() || input.dtype() != DType::float64 || input.device().is_cuda() ||
        !input.is_dense()) {
      fail("gradient_check: requires dense float64 tensors on the CPU, got " + describe(input));
    }
  }
}

// The larger of two errors; NaN counts as the largest.
double larger_error(double worst, double error) {
  return std::isnan(error) || error > worst ? error : worst;
}

// For a function whose result has one element.
double check_scalar(const std::function<Tensor(const Inputs&)>& function, Inputs inputs,
                    double step) {
  for (Tensor& input : inputs) {
    input.set_requires_gradient();
    input.clear_gradient();
  }
  // If the output does not depend on the inputs, their gradients are zero.
  if (const Tensor y = function(inputs); y.requires_gradient()) y.backward();

  const NoGrad no_grad;
  double worst = 0.0;
  for (const Tensor& input : inputs) {
    const Tensor gradient = input.gradient();
    for (int64_t i = 0; i < input.elements(); ++i) {
      double& x = input.data<double>()[i];
      const double before = x;
      x = before + step;
      const double above = function(inputs).item();
      x = before - step;
      const double below = function(inputs).item();
      x = before;
      const double numeric = (above - below) / (2.0 * step);
      const double exact = gradient.defined() ? gradient.data<double>()[i] : 0.0;
      const double scale = std::max({1.0, std::abs(numeric), std::abs(exact)});
      worst = larger_error(worst, std::abs(numeric - exact) / scale);
    }
  }
  return worst;
}

Tensor weighted_sum(const std::vector<Tensor>& outputs) {
  if (outputs.empty())
    fail("gradient_check: the function returned no outputs; it must return at least one");
  Tensor total = weighted_sum(outputs[0]);
  for (std::size_t i = 1; i < outputs.size(); ++i) total = total + weighted_sum(outputs[i], i);
  return total;
}

}  // namespace

double gradient_check(const std::function<Tensor(const std::vector<Tensor>&)>& function,
                      std::vector<Tensor> inputs, double step) {
  check(function, inputs);
  return check_scalar([&](const Inputs& in) { return weighted_sum(function(in)); },
                      std::move(inputs), step);
}

double gradient_check(
    const std::function<std::vector<Tensor>(const std::vector<Tensor>&)>& function,
    std::vector<Tensor> inputs, double step) {
  check(function, inputs);
  double worst =
      check_scalar([&](const Inputs& in) { return weighted_sum(function(in)); }, inputs, step);
  const std::size_t outputs = function(inputs).size();
  for (std::size_t i = 0; i < outputs && outputs > 1; ++i) {
    const auto one = [&](const Inputs& in) { return weighted_sum(function(in)[i], i); };
    worst = larger_error(worst, check_scalar(one, inputs, step));
  }
  return worst;
}

}  // namespace ripieno
