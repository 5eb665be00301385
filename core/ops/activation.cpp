#include "ripieno/core/ops/activation.h"

#include <fmt/format.h>

#include <vector>

#include "ripieno/core/autograd.h"
#include "ripieno/core/operands.h"
#include "ripieno/core/ops/functions.h"
#include "ripieno/core/ops/rearrange.h"
#include "ripieno/core/place.h"

namespace ripieno {
namespace {

using kernels::Function;
using kernels::Pair;

}  // namespace

Tensor activate(const Tensor& x, Activation activation) {
  require_defined("activation", {{"x", x}});
  if (activation == Activation::kNone) return x;
  const Tensor before = x.dense();
  Tensor result(x.shape(), x.dtype(), x.device());
  run({"activation", {&result, &before}, x.elements()}, x, [&]<typename T>(auto on) {
    kernels::activation_forward(on, result.data<T>(), before.data<T>(), x.elements(), activation);
  });
  return autograd::record("activation", result, {&x},
                          [before = autograd::Saved(before), activation](
                              const Tensor& gradient, autograd::Gradients& gradients) {
                            gradients.add(0, activation_gradient(gradient, *before, activation));
                          });
}

Tensor activation_gradient(const Tensor& gradient, const Tensor& before, Activation activation) {
  require_defined("activation_gradient", {{"gradient", gradient}, {"before", before}});
  require_one_type("activation_gradient", {{"gradient", gradient}, {"before", before}});
  if (gradient.shape() != before.shape() || !gradient.is_dense() || !before.is_dense())
    fail("activation_gradient: gradient is " + describe(gradient) + ", before is " +
         describe(before) + "; they must have one shape, and be dense");
  Tensor result(before.shape(), before.dtype(), before.device());
  const Work work{"activation: gradient", {&result, &gradient, &before}};
  run(work, before, [&]<typename T>(auto on) {
    kernels::activation_backward(on, result.data<T>(), gradient.data<T>(), before.data<T>(),
                                 before.elements(), activation);
  });
  return result;
}

Tensor sigmoid(const Tensor& x) { return apply_function("sigmoid", x, {Function::kSigmoid}); }
Tensor silu(const Tensor& x) { return apply_function("silu", x, {Function::kSilu}); }
Tensor mish(const Tensor& x) { return apply_function("mish", x, {Function::kMish}); }
Tensor softplus(const Tensor& x, double beta) {
  if (!(beta > 0.0)) fail(fmt::format("softplus: beta is {}; it must be positive", beta));
  return apply_function("softplus", x, {Function::kSoftplus, beta});
}
Tensor leaky_relu(const Tensor& x, double slope) {
  return apply_function("leaky_relu", x, {Function::kLeakyRelu, slope});
}
Tensor elu(const Tensor& x, double alpha) {
  return apply_function("elu", x, {Function::kElu, alpha});
}
Tensor hard_sigmoid(const Tensor& x) {
  return apply_function("hard_sigmoid", x, {Function::kHardSigmoid});
}
Tensor hard_swish(const Tensor& x) {
  return apply_function("hard_swish", x, {Function::kHardSwish});
}
Tensor squared_relu(const Tensor& x) {
  return apply_function("squared_relu", x, {Function::kSquaredRelu});
}

Tensor prelu(const Tensor& x, const Tensor& weight) {
  require_defined("prelu", {{"x", x}, {"weight", weight}});
  const int64_t channels = x.rank() > 1 ? x.size(1) : 1;
  if (weight.elements() != 1 && (weight.rank() != 1 || weight.elements() != channels)) {
    fail(
        fmt::format("prelu: x is {}, weight is {}; it must have one element, or one for each of "
                    "the {} channels",
                    to_string(x.shape()), to_string(weight.shape()), channels));
  }
  Shape per_channel;
  for (int axis = 0; axis < x.rank(); ++axis) {
    per_channel.push_back(axis == 1 ? weight.elements() : 1);
  }
  const bool is_one = weight.elements() == 1;
  return apply_pair("prelu", x, weight.reshape(is_one ? Shape{} : per_channel), Pair::kPrelu);
}

Tensor glu(const Tensor& x, int axis_) {
  require_defined("glu", {{"x", x}});
  const int axis = Axes(axis_).of(x.shape(), "glu")[0];
  const int64_t size = x.shape()[axis];
  if (size % 2 != 0) {
    fail(fmt::format("glu: axis {} of {} has size {}; it must be even", axis, to_string(x.shape()),
                     size));
  }
  const std::vector<Tensor> halves = split(x, {size / 2, size / 2}, axis);
  return apply_pair("glu", halves[0], halves[1], Pair::kGlu);
}

Tensor relu(const Tensor& x) { return activate(x, Activation::kRelu); }
Tensor gelu(const Tensor& x) { return activate(x, Activation::kGelu); }
Tensor gelu_tanh(const Tensor& x) { return activate(x, Activation::kGeluTanh); }

}  // namespace ripieno
