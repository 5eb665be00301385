#include "ripieno/core/ops/layer_norm.h"

#include "ripieno/core/autograd.h"
#include "ripieno/core/place.h"
#include "ripieno/kernels/layer_norm.h"

namespace ripieno {
namespace {

// The element type that statistics of `dtype` are kept in.
DType statistics_of(DType dtype) {
  return dtype == DType::float64 ? DType::float64 : DType::float32;
}

void check(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  if (x.rank() == 0) fail("layer_norm: a scalar has no axis to normalize");
  if (weight.defined() != bias.defined()) {
    fail("layer_norm: weight and bias are given together, or not at all");
  }
  if (!weight.defined()) return;
  const Shape wanted = {x.size(-1)};
  if (weight.shape() != wanted || bias.shape() != wanted || weight.dtype() != x.dtype()) {
    fail("layer_norm: weight " + to_string(weight.shape()) + " does not fit x " +
         to_string(x.shape()));
  }
}

}  // namespace

Tensor layer_norm(const Tensor& x_, const Tensor& weight, const Tensor& bias, double epsilon) {
  check(x_, weight, bias);
  const Tensor x = x_.dense();
  const int64_t cols = x.size(-1), rows = cols == 0 ? 0 : x.elements() / cols;
  Tensor result(x.shape(), x.dtype(), x.device());
  const DType statistics = statistics_of(x.dtype());
  Tensor mean({rows}, statistics, x.device()), inverse_deviation({rows}, statistics, x.device());
  run(x, [&]<typename T>(auto on) {
    using A = kernels::accumulator_t<T>;
    kernels::layer_norm_forward(on, result.data<T>(), mean.data<A>(), inverse_deviation.data<A>(),
                                x.data<T>(), weight.defined() ? weight.data<T>() : nullptr,
                                bias.defined() ? bias.data<T>() : nullptr, rows, cols, epsilon);
  });
  return autograd::record(
      "layer_norm", result, {&x, &weight, &bias},
      [x, weight, mean, inverse_deviation, rows, cols](const Tensor& gradient,
                                                       autograd::Gradients& gradients) {
        Tensor back(x.shape(), x.dtype(), x.device());
        const bool of_weight = gradients.wanted(1) && gradients.wanted(2);
        const int64_t chunks =
            (rows + kernels::kLayerNormRowChunk - 1) / kernels::kLayerNormRowChunk;
        const Tensor workspace({of_weight ? 2 * chunks * cols : 0}, mean.dtype(), x.device());
        autograd::Gradients::Destination to_weight{}, to_bias{};
        if (of_weight) {
          to_weight = gradients.destination(1);
          to_bias = gradients.destination(2);
        }
        run(x, [&]<typename T>(auto on) {
          using A = kernels::accumulator_t<T>;
          kernels::layer_norm_backward(
              on, back.data<T>(), of_weight ? to_weight.tensor.data<T>() : nullptr,
              of_weight ? to_bias.tensor.data<T>() : nullptr, workspace.raw_data(),
              gradient.data<T>(), x.data<T>(), weight.defined() ? weight.data<T>() : nullptr,
              mean.data<A>(), inverse_deviation.data<A>(), rows, cols,
              {.parameters = to_weight.accumulate});
        });
        if (gradients.wanted(0)) gradients.add(0, back);
      });
}

}  // namespace ripieno
