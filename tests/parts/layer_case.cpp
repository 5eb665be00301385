#include "parts/layer_case.h"

#include <span>
#include <utility>

#include "ripieno/core/autograd.h"

namespace ripieno::testing {
namespace {

// The module's output, recorded as an operation of its input and parameters, whose backward runs
// that of the module.
Tensors output_of(const std::shared_ptr<nn::Module>& module, const Tensors& inputs) {
  const auto parameters = module->parameters();
  if (parameters.size() + 1 != inputs.size()) {
    fail("the module has " + std::to_string(parameters.size()) + " parameters, the case " +
         std::to_string(inputs.size() - 1));
  }
  {
    const NoGrad no_grad;
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      Tensor parameter = parameters.tensors()[i];
      parameter.copy_from(inputs[i + 1]);
    }
  }
  Tensor x = inputs[0].detach();
  if (is_floating_point(x.dtype())) x.set_requires_gradient();
  const Tensor inner = (*module)(x);
  const Tensor result = inner.detach();
  autograd::record(
      "module", std::span(&result, 1), inputs,
      [module, x, inner](std::span<Tensor> of_outputs, autograd::Gradients& gradients) {
        inner.backward(of_outputs[0]);
        if (gradients.wanted(0)) gradients.add(0, x.gradient());
        const auto all = module->parameters();
        for (std::size_t i = 0; i < all.size(); ++i) {
          const int input = static_cast<int>(i) + 1;
          if (!gradients.wanted(input)) continue;
          gradients.add(input, all.tensors()[i].gradient().clone());
        }
      });
  return {result};
}

}  // namespace

Case of_module(std::string name, std::function<std::shared_ptr<nn::Module>()> construct) {
  return {std::move(name), [construct = std::move(construct)](const Tensors& inputs) {
            const std::shared_ptr<nn::Module> module = construct();
            module->to(inputs[0].device(), inputs.back().dtype());
            return output_of(module, inputs);
          }};
}

}  // namespace ripieno::testing
