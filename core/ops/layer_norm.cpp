#include "ripieno/core/ops/layer_norm.h"

#include "ripieno/core/autograd.h"
#include "ripieno/core/operands.h"
#include "ripieno/core/ops/arithmetic.h"
#include "ripieno/core/ops/dropout.h"
#include "ripieno/core/place.h"
#include "ripieno/kernels/layer_norm.h"

namespace ripieno {
namespace {

using autograd::Gradients;
using autograd::Saved;

void check(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  if (x.rank() == 0) fail("layer_norm: x must have at least one axis, got a scalar");
  if (weight.defined() != bias.defined()) {
    fail("layer_norm: weight and bias must be both defined or both undefined");
  }
  if (!weight.defined()) return;
  require_one_type("layer_norm", {{"x", x}, {"weight", weight}, {"bias", bias}});
  const Shape wanted = {x.size(-1)};
  if (weight.shape() != wanted || bias.shape() != wanted) {
    fail("layer_norm: x is " + to_string(x.shape()) + ", weight is " + to_string(weight.shape()) +
         ", bias is " + to_string(bias.shape()) + "; weight and bias must be " + to_string(wanted));
  }
}

void check(const Residual& residual) {
  const Tensor &x = residual.x, &branch = residual.branch;
  require_one_type("residual_norm", {{"x", x}, {"branch", branch}});
  if (x.shape() == branch.shape()) return;
  fail("residual_norm: x is " + to_string(x.shape()) + ", branch is " + to_string(branch.shape()) +
       "; the shapes must match");
}

template <typename T>
T* data_or_null(const Tensor& tensor) {
  return tensor.defined() ? tensor.data<T>() : nullptr;
}

// The input of a norm, and what its backward needs.
struct Normalized {
  Saved x, weight;                 // x: dense
  Tensor mean, inverse_deviation;  // (rows)
  int64_t rows, cols;

  Normalized(const Tensor& dense, const Tensor& weight_)
      : x(dense),
        weight(weight_),
        rows(dense.size(-1) == 0 ? 0 : dense.elements() / dense.size(-1)),
        cols(dense.size(-1)) {
    const DType type = dense.dtype() == DType::float64 ? DType::float64 : DType::float32;
    mean = Tensor({rows}, type, dense.device());
    inverse_deviation = Tensor({rows}, type, dense.device());
  }
};

// The gradients of a norm's inputs: the normalized tensor, weight and bias. The first is added to
// contributions of other operations. When it is complete, `grad_branch`, if defined, becomes its
// elements that the dropout `drawn` keeps, scaled.
void backward(const Normalized& of, const Tensor& gradient, Gradients& gradients,
              const Tensor& grad_branch = {}, const DrawnDropout& drawn = {}) {
  const Tensor &x = *of.x, &weight = *of.weight;
  // The kernel computes the gradients of both parameters, or of neither.
  const bool of_parameters = gradients.wanted(1) || gradients.wanted(2);
  const int64_t chunks = (of.rows + kernels::kLayerNormRowChunk - 1) / kernels::kLayerNormRowChunk;
  const Tensor workspace({of_parameters ? 2 * chunks * of.cols : 0}, of.mean.dtype(), x.device());
  const auto destination = [&](int input, const Shape& shape) -> Gradients::Destination {
    if (gradients.wanted(input)) return gradients.destination(input);
    return {Tensor(shape, x.dtype(), x.device()), false};
  };
  const auto to_x = destination(0, x.shape());
  Gradients::Destination to_weight{}, to_bias{};
  if (of_parameters) {
    to_weight = destination(1, weight.shape());
    to_bias = destination(2, weight.shape());
  }
  const Work work{
      "layer_norm: gradient",
      {&to_x.tensor, &to_weight.tensor, &to_bias.tensor, &gradient, &x, &weight, &grad_branch},
      11 * x.elements()};
  run(work, x, [&]<typename T>(auto on) {
    using A = kernels::accumulator_t<T>;
    kernels::residual_norm_backward(
        on, kernels::ResidualNormBackwardArguments<T>{
                .norm = {.grad_in = to_x.tensor.data<T>(),
                         .grad_weight = data_or_null<T>(to_weight.tensor),
                         .grad_bias = data_or_null<T>(to_bias.tensor),
                         .workspace = workspace.raw_data(),
                         .grad_out = gradient.data<T>(),
                         .in = x.data<T>(),
                         .weight = data_or_null<T>(weight),
                         .mean = of.mean.data<A>(),
                         .inverse_deviation = of.inverse_deviation.data<A>(),
                         .rows = of.rows,
                         .cols = of.cols,
                         .accumulate = {to_x.accumulate, to_weight.accumulate, to_bias.accumulate}},
                .grad_branch = data_or_null<T>(grad_branch),
                .mask = drawn.mask()});
  });
}

// The gradient of a branch. The norm's backward computes it for the sum's backward, because it has
// the complete gradient of the sum at hand.
using BranchGradient = std::shared_ptr<Tensor>;

Tensor record_sum(const Tensor& sum, const Residual& residual, const DrawnDropout& drawn,
                  const BranchGradient& branch_gradient) {
  return autograd::record("residual", sum, {&residual.x, &residual.branch},
                          [drawn, branch_gradient](const Tensor& gradient, Gradients& gradients) {
                            if (gradients.wanted(1)) {
                              const bool drops = drawn.probability > 0.0;
                              gradients.add(1, !drops                       ? gradient
                                               : branch_gradient->defined() ? *branch_gradient
                                                                            : drawn(gradient));
                            }
                            if (gradients.wanted(0)) gradients.add(0, gradient);
                          });
}

}  // namespace

Tensor layer_norm(const Tensor& x_, const Tensor& weight, const Tensor& bias, double epsilon) {
  require_defined("layer_norm", {{"x", x_}});
  check(x_, weight, bias);
  const Tensor x = x_.dense();
  Tensor result(x.shape(), x.dtype(), x.device());
  const Normalized of(x, weight);
  const Work work{"layer_norm", {&result, &x, &weight, &bias}, 8 * x.elements()};
  run(work, x, [&]<typename T>(auto on) {
    using A = kernels::accumulator_t<T>;
    kernels::layer_norm_forward(on, kernels::LayerNormForwardArguments<T>{
                                        .out = result.data<T>(),
                                        .mean = of.mean.data<A>(),
                                        .inverse_deviation = of.inverse_deviation.data<A>(),
                                        .in = x.data<T>(),
                                        .weight = data_or_null<T>(weight),
                                        .bias = data_or_null<T>(bias),
                                        .rows = of.rows,
                                        .cols = of.cols,
                                        .epsilon = epsilon});
  });
  return autograd::record(
      "layer_norm", result, {&x, &weight, &bias},
      [of](const Tensor& gradient, Gradients& gradients) { backward(of, gradient, gradients); });
}

Tensor sum(const Residual& residual) {
  require_defined("residual", {{"x", residual.x}});
  if (!residual.branch.defined()) return residual.x;
  return residual.x + dropout(residual.branch, residual.dropout, residual.dropout_stream);
}

ResidualNorm residual_norm(const Residual& residual_, const Tensor& weight, const Tensor& bias,
                           double epsilon) {
  require_defined("residual_norm", {{"x", residual_.x}});
  if (!residual_.branch.defined()) {
    return {residual_.x, layer_norm(residual_.x, weight, bias, epsilon)};
  }
  check(residual_);
  check(residual_.x, weight, bias);
  const Residual residual = {.x = residual_.x.dense(), .branch = residual_.branch.dense()};
  const Tensor& x = residual.x;
  const DrawnDropout drawn = draw_dropout(x, residual_.dropout, residual_.dropout_stream);
  Tensor sum(x.shape(), x.dtype(), x.device()), normalized(x.shape(), x.dtype(), x.device());
  const Normalized of(sum, weight);
  const Work work{
      "residual_norm", {&normalized, &sum, &x, &residual.branch, &weight, &bias}, 9 * x.elements()};
  run(work, x, [&]<typename T>(auto on) {
    using A = kernels::accumulator_t<T>;
    kernels::residual_norm_forward(on, kernels::ResidualNormForwardArguments<T>{
                                           .out = normalized.data<T>(),
                                           .sum = sum.data<T>(),
                                           .mean = of.mean.data<A>(),
                                           .inverse_deviation = of.inverse_deviation.data<A>(),
                                           .x = x.data<T>(),
                                           .branch = residual.branch.data<T>(),
                                           .mask = drawn.mask(),
                                           .weight = data_or_null<T>(weight),
                                           .bias = data_or_null<T>(bias),
                                           .rows = of.rows,
                                           .cols = of.cols,
                                           .epsilon = epsilon});
  });
  const bool shares = drawn.probability > 0.0 && residual.branch.requires_gradient();
  const BranchGradient branch_gradient =
      shares ? std::allocate_shared<Tensor>(PoolAllocator<Tensor>()) : nullptr;
  // The sum is returned only after its norm is recorded, so the norm's backward runs last of those
  // that contribute to the sum's gradient, when the other contributions are complete.
  sum = record_sum(sum, residual, drawn, branch_gradient);
  normalized = autograd::record(
      "residual_norm", normalized, {&sum, &weight, &bias},
      [of, drawn, branch_gradient](const Tensor& gradient, Gradients& gradients) {
        if (branch_gradient)
          *branch_gradient = Tensor(gradient.shape(), gradient.dtype(), gradient.device());
        backward(of, gradient, gradients, branch_gradient ? *branch_gradient : Tensor(), drawn);
      });
  return {sum, normalized};
}

}  // namespace ripieno
