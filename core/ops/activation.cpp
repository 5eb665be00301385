#include "ripieno/core/ops/activation.h"

#include "ripieno/core/autograd.h"
#include "ripieno/core/operands.h"
#include "ripieno/core/place.h"

namespace ripieno {

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

Tensor relu(const Tensor& x) { return activate(x, Activation::kRelu); }
Tensor gelu(const Tensor& x) { return activate(x, Activation::kGelu); }
Tensor gelu_tanh(const Tensor& x) { return activate(x, Activation::kGeluTanh); }

}  // namespace ripieno
