#include "ripieno/core/ops/rms_norm.h"

#include "ripieno/core/autograd.h"
#include "ripieno/core/operands.h"
#include "ripieno/core/place.h"
#include "ripieno/kernels/rms_norm.h"

namespace ripieno {
namespace {

using autograd::Gradients;
using autograd::Saved;

void check_norm(const Tensor& x, const Tensor& weight) {
  if (x.rank() == 0) fail("rms_norm: x must have at least one axis, got a scalar");
  if (!weight.defined()) return;
  require_one_type("rms_norm", {{"x", x}, {"weight", weight}});
  if (weight.shape() != Shape{x.size(-1)}) {
    fail("rms_norm: x is " + to_string(x.shape()) + ", weight is " + to_string(weight.shape()) +
         "; weight must be " + to_string(Shape{x.size(-1)}));
  }
}

template <typename T>
T* pointer_or_null(const Tensor& tensor) {
  return tensor.defined() ? tensor.data<T>() : nullptr;
}

// The input of a norm, and what its backward needs.
struct RmsNormalized {
  Saved x, weight;  // x: dense
  Tensor inverse;   // (rows)
  int64_t rows, cols;

  RmsNormalized(const Tensor& dense, const Tensor& weight_)
      : x(dense),
        weight(weight_),
        rows(dense.size(-1) == 0 ? 0 : dense.elements() / dense.size(-1)),
        cols(dense.size(-1)) {
    const DType type = dense.dtype() == DType::float64 ? DType::float64 : DType::float32;
    inverse = Tensor({rows}, type, dense.device());
  }
};

void rms_norm_gradients(const RmsNormalized& of, const Tensor& gradient, Gradients& gradients) {
  const Tensor &x = *of.x, &weight = *of.weight;
  Gradients::Destination to_x{Tensor(), false}, to_weight{Tensor(), false};
  if (gradients.wanted(0)) {
    to_x = gradients.destination(0);
  } else {
    to_x.tensor = Tensor(x.shape(), x.dtype(), x.device());
  }
  if (gradients.wanted(1)) to_weight = gradients.destination(1);
  const int64_t partials = to_weight.tensor.defined() ? kernels::rms_norm_chunks(of.rows) : 0;
  const Tensor workspace({partials * of.cols}, of.inverse.dtype(), x.device());
  const Work work{"rms_norm: gradient",
                  {&to_x.tensor, &to_weight.tensor, &gradient, &x, &weight},
                  8 * x.elements()};
  run(work, x, [&]<typename T>(auto on) {
    using A = kernels::accumulator_t<T>;
    kernels::rms_norm_backward(on, kernels::RmsNormBackwardArguments<T>{
                                       .grad_in = to_x.tensor.data<T>(),
                                       .grad_weight = pointer_or_null<T>(to_weight.tensor),
                                       .partials = workspace.data<A>(),
                                       .grad_out = gradient.data<T>(),
                                       .in = x.data<T>(),
                                       .weight = pointer_or_null<T>(weight),
                                       .inverse = of.inverse.data<A>(),
                                       .rows = of.rows,
                                       .cols = of.cols,
                                       .accumulate_in = to_x.accumulate,
                                       .accumulate_weight = to_weight.accumulate});
  });
}

// Computes result and, if there is a branch, sum; of.x is the sum or x.
void compute(const RmsNormalized& of, const Tensor& result, const Tensor& sum, const Tensor& x,
             const Tensor& branch, const Tensor& weight, double epsilon) {
  const Work work{branch.defined() ? "residual_rms_norm" : "rms_norm",
                  {&result, &sum, &x, &branch, &weight},
                  5 * x.elements()};
  run(work, x, [&]<typename T>(auto on) {
    using A = kernels::accumulator_t<T>;
    kernels::rms_norm_forward(
        on, kernels::RmsNormForwardArguments<T>{.out = result.data<T>(),
                                                .sum = pointer_or_null<T>(sum),
                                                .inverse = of.inverse.data<A>(),
                                                .x = x.data<T>(),
                                                .branch = pointer_or_null<T>(branch),
                                                .weight = pointer_or_null<T>(weight),
                                                .rows = of.rows,
                                                .cols = of.cols,
                                                .epsilon = epsilon});
  });
}

Tensor record_norm(const Tensor& result, const RmsNormalized& of, const Tensor& x,
                   const Tensor& weight) {
  return autograd::record("rms_norm", result, {&x, &weight},
                          [of](const Tensor& gradient, Gradients& gradients) {
                            rms_norm_gradients(of, gradient, gradients);
                          });
}

}  // namespace

Tensor rms_norm(const Tensor& x_, const Tensor& weight_, double epsilon) {
  require_defined("rms_norm", {{"x", x_}});
  check_norm(x_, weight_);
  const Tensor x = x_.dense(), weight = weight_.defined() ? weight_.dense() : Tensor();
  const Tensor result(x.shape(), x.dtype(), x.device());
  const RmsNormalized of(x, weight);
  compute(of, result, {}, x, {}, weight, epsilon);
  return record_norm(result, of, x, weight);
}

ResidualNorm residual_rms_norm(const Residual& residual, const Tensor& weight_, double epsilon) {
  require_defined("residual_rms_norm", {{"x", residual.x}});
  if (!residual.branch.defined() || residual.dropout > 0.0) {
    const Tensor x = sum(residual);
    return {x, rms_norm(x, weight_, epsilon)};
  }
  require_one_type("residual_rms_norm", {{"x", residual.x}, {"branch", residual.branch}});
  if (residual.x.shape() != residual.branch.shape()) {
    fail("residual_rms_norm: x is " + to_string(residual.x.shape()) + ", branch is " +
         to_string(residual.branch.shape()) + "; the shapes must match");
  }
  check_norm(residual.x, weight_);
  const Tensor x = residual.x.dense(), branch = residual.branch.dense();
  const Tensor weight = weight_.defined() ? weight_.dense() : Tensor();
  Tensor total(x.shape(), x.dtype(), x.device());
  const Tensor result(x.shape(), x.dtype(), x.device());
  const RmsNormalized of(total, weight);
  compute(of, result, total, x, branch, weight, epsilon);
  total = autograd::record("residual", total, {&x, &branch},
                           [](const Tensor& gradient, Gradients& gradients) {
                             if (gradients.wanted(1)) gradients.add(1, gradient);
                             if (gradients.wanted(0)) gradients.add(0, gradient);
                           });
  return {total, record_norm(result, of, total, weight)};
}

}  // namespace ripieno
