#include "ripieno/core/ops/swiglu.h"

#include "ripieno/core/autograd.h"
#include "ripieno/core/operands.h"
#include "ripieno/core/place.h"
#include "ripieno/kernels/swiglu.h"

namespace ripieno {

Tensor swiglu(const Tensor& gate_, const Tensor& up_) {
  require_defined("swiglu", {{"gate", gate_}, {"up", up_}});
  require_one_type("swiglu", {{"gate", gate_}, {"up", up_}});
  if (gate_.shape() != up_.shape()) {
    fail("swiglu: gate is " + to_string(gate_.shape()) + ", up is " + to_string(up_.shape()) +
         "; the shapes must match");
  }
  const Tensor gate = gate_.dense(), up = up_.dense();
  const Tensor result(gate.shape(), gate.dtype(), gate.device());
  run({"swiglu", {&result, &gate, &up}, 5 * gate.elements()}, gate, [&]<typename T>(auto on) {
    kernels::swiglu_forward(on, result.data<T>(), gate.data<T>(), up.data<T>(), gate.elements());
  });
  return autograd::record(
      "swiglu", result, {&gate, &up},
      [gate = autograd::Saved(gate), up = autograd::Saved(up)](const Tensor& gradient,
                                                               autograd::Gradients& gradients) {
        const auto like_gate = [&](bool wanted) {
          return wanted ? Tensor(gate->shape(), gate->dtype(), gate->device()) : Tensor();
        };
        const Tensor of_gate = like_gate(gradients.wanted(0));
        const Tensor of_up = like_gate(gradients.wanted(1));
        const Work work{
            "swiglu: gradient", {&of_gate, &of_up, &gradient, &*gate, &*up}, 9 * gate->elements()};
        run(work, *gate, [&]<typename T>(auto on) {
          kernels::swiglu_backward(on, of_gate.defined() ? of_gate.data<T>() : nullptr,
                                   of_up.defined() ? of_up.data<T>() : nullptr, gradient.data<T>(),
                                   gate->data<T>(), up->data<T>(), gate->elements());
        });
        if (of_gate.defined()) gradients.add(0, of_gate);
        if (of_up.defined()) gradients.add(1, of_up);
      });
}

}  // namespace ripieno
