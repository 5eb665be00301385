// Optimizers: parameters after 1, 10 and 100 steps with given gradients, seven of which are
// repeated.
#include <memory>

#include "parts/part.h"
#include "ripieno/core/autograd.h"
#include "ripieno/core/nn/module.h"
#include "ripieno/core/optim/adafactor.h"
#include "ripieno/core/optim/adagrad.h"
#include "ripieno/core/optim/adam.h"
#include "ripieno/core/optim/adamw.h"
#include "ripieno/core/optim/lamb.h"
#include "ripieno/core/optim/lion.h"
#include "ripieno/core/optim/muon.h"
#include "ripieno/core/optim/rms_prop.h"
#include "ripieno/core/optim/sgd.h"

namespace ripieno::testing {
namespace {

struct Weights : nn::Module {
  explicit Weights(const Tensors& values) {
    for (const Tensor& value : values) {
      tensors.push_back(add_parameter("weight" + std::to_string(tensors.size()), value.shape(),
                                      nn::Initial::constant(0.0)));
    }
    to(values[0].device(), values[0].dtype());
    const NoGrad no_grad;
    for (std::size_t i = 0; i < values.size(); ++i) tensors[i].copy_from(values[i]);
  }

  Tensors tensors;
};

// Sets the gradients to one row of `rows`, which holds those of all parameters.
void set_gradients(const Parameters& parameters, const Tensor& rows, int64_t row) {
  const NoGrad no_grad;
  const Tensor all = rows.slice(0, row, row + 1).dense().reshape({rows.size(1)});
  int64_t begin = 0;
  for (Tensor gradient : parameters.gradients().tensors()) {
    const int64_t end = begin + gradient.elements();
    gradient.copy_from(all.slice(0, begin, end).reshape(gradient.shape()));
    begin = end;
  }
  parameters.mark_gradients_present();
}

template <typename Made, typename Options>
std::function<Tensors(const Tensors&)> trained(Options options) {
  options.decays = [](const auto&) { return true; };
  return [options](const Tensors& inputs) {
    Weights weights({inputs.begin(), inputs.end() - 1});
    const Tensor& gradients = inputs.back();
    Made optimizer(weights.parameters(), options);
    Tensors shown;
    for (int step = 1; step <= 100; ++step) {
      set_gradients(weights.parameters(), gradients, (step - 1) % gradients.size(0));
      optimizer.step();
      if (step != 1 && step != 10 && step != 100) continue;
      for (const Tensor& tensor : weights.tensors) shown.push_back(tensor.detach().clone());
    }
    return shown;
  };
}

Part optimizer(const std::string& name, std::vector<Case> cases) {
  // State is float32, so float64 parameters are no more exact than float32 ones.
  return {.name = name,
          .kind = PartKind::optimizer,
          .cases = std::move(cases),
          .types = {DType::float32, DType::bfloat16, DType::float16}};
}

}  // namespace

PartList optimizer_parts() {
  using namespace optim;
  using Scale = MuonOptions::Scale;
  return {
      "optimizer",
      {
          optimizer("adafactor",
                    {{"plain", trained<Adafactor>(AdafactorOptions{.learning_rate = 0.02})},
                     {"all_options", trained<Adafactor>(AdafactorOptions{.learning_rate = 0.02,
                                                                         .decay_exponent = -0.5,
                                                                         .epsilon1 = 1e-4,
                                                                         .epsilon2 = 0.5,
                                                                         .clip_threshold = 2.0,
                                                                         .weight_decay = 0.1})}}),
          optimizer("adagrad",
                    {{"plain", trained<Adagrad>(AdagradOptions{.learning_rate = 0.05})},
                     {"all_options", trained<Adagrad>(AdagradOptions{.learning_rate = 0.05,
                                                                     .learning_rate_decay = 0.1,
                                                                     .initial_sum = 0.5,
                                                                     .epsilon = 1e-3,
                                                                     .weight_decay = 0.1})}}),
          optimizer("adam", {{"plain", trained<Adam>(AdamOptions{.learning_rate = 0.01})},
                             {"decay", trained<Adam>(AdamOptions{.learning_rate = 0.01,
                                                                 .beta1 = 0.8,
                                                                 .beta2 = 0.99,
                                                                 .epsilon = 1e-4,
                                                                 .weight_decay = 0.1})}}),
          optimizer("adamw", {{"plain", trained<AdamW>(AdamWOptions{.learning_rate = 0.01})},
                              {"decay", trained<AdamW>(AdamWOptions{.learning_rate = 0.01,
                                                                    .beta1 = 0.8,
                                                                    .beta2 = 0.99,
                                                                    .epsilon = 1e-4,
                                                                    .weight_decay = 0.1})}}),
          optimizer("lamb", {{"plain", trained<Lamb>(LambOptions{.learning_rate = 0.01})},
                             {"decay", trained<Lamb>(LambOptions{.learning_rate = 0.01,
                                                                 .beta1 = 0.8,
                                                                 .beta2 = 0.99,
                                                                 .epsilon = 1e-4,
                                                                 .weight_decay = 0.1})}}),
          optimizer("lion", {{"plain", trained<Lion>(LionOptions{.learning_rate = 0.01})},
                             {"decay", trained<Lion>(LionOptions{.learning_rate = 0.01,
                                                                 .beta1 = 0.8,
                                                                 .beta2 = 0.95,
                                                                 .weight_decay = 0.1})}}),
          optimizer("muon",
                    {{"original",
                      trained<Muon>(MuonOptions{.learning_rate = 0.01, .scale = Scale::original})},
                     {"as_large_as_adamw", trained<Muon>(MuonOptions{.learning_rate = 0.01})},
                     {"decay_without_nesterov", trained<Muon>(MuonOptions{.learning_rate = 0.01,
                                                                          .momentum = 0.8,
                                                                          .nesterov = false,
                                                                          .iterations = 3,
                                                                          .scale = Scale::original,
                                                                          .weight_decay = 0.1})},
                     {"adamw_for_a_matrix",
                      trained<Muon>(
                          MuonOptions{.learning_rate = 0.01, .adamw_parameters = {"*1"}})}}),
          optimizer(
              "rms_prop",
              {{"plain", trained<RmsProp>(RmsPropOptions{.learning_rate = 0.01})},
               {"momentum", trained<RmsProp>(RmsPropOptions{.learning_rate = 0.002,
                                                            .decay = 0.9,
                                                            .momentum = 0.9,
                                                            .weight_decay = 0.1})},
               {"centered", trained<RmsProp>(RmsPropOptions{
                                .learning_rate = 0.01, .epsilon = 1e-3, .centered = true})},
               {"centered_momentum", trained<RmsProp>(RmsPropOptions{.learning_rate = 0.002,
                                                                     .epsilon = 1e-3,
                                                                     .momentum = 0.5,
                                                                     .centered = true,
                                                                     .weight_decay = 0.01})}}),
          optimizer("sgd",
                    {{"plain", trained<Sgd>(SgdOptions{.learning_rate = 0.05})},
                     {"momentum",
                      trained<Sgd>(
                          SgdOptions{.learning_rate = 0.01, .momentum = 0.9, .weight_decay = 0.1})},
                     {"nesterov", trained<Sgd>(SgdOptions{.learning_rate = 0.01,
                                                          .momentum = 0.8,
                                                          .nesterov = true,
                                                          .weight_decay = 0.1})},
                     {"clipped_by_norm",
                      trained<Sgd>(SgdOptions{.learning_rate = 0.05, .max_gradient_norm = 2.0})},
                     {"clipped_by_value",
                      trained<Sgd>(SgdOptions{.learning_rate = 0.05, .max_gradient_value = 0.5})}}),
      }};
}

}  // namespace ripieno::testing
