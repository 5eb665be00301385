#include <memory>

#include "parts/layer_case.h"
#include "parts/part.h"
#include "ripieno/core/models/lstm_language_model.h"
#include "ripieno/core/nn/flatten.h"
#include "ripieno/core/nn/linear.h"
#include "ripieno/core/nn/lora.h"
#include "ripieno/core/nn/pooling.h"
#include "ripieno/core/nn/skip_connection.h"

namespace ripieno::testing {
namespace {

Part layer(std::string name, std::vector<Case> cases) {
  return {std::move(name), PartKind::layer, std::move(cases)};
}

// Its frozen base gets gradients too, as those of the reference.
std::shared_ptr<nn::Module> thawed_lora() {
  auto module = std::make_shared<nn::LoraLinear>(7, 5, nn::LoraOptions{.rank = 2, .alpha = 3.0});
  module->thaw();
  return module;
}

std::shared_ptr<nn::Module> skipping_linear() {
  return std::make_shared<nn::SkipConnection>(nn::Linear(5, 5));
}

}  // namespace

PartList layer_parts() {
  return {
      "layer",
      {layer("MaxPool2d", {of_module("window", constructing<nn::MaxPool2d>(PerAxis(2, 3)))}),
       layer("AveragePool2d",
             {of_module("window", constructing<nn::AveragePool2d>(PerAxis(2, 3)))}),
       layer("AdaptiveMaxPool2d",
             {of_module("size", constructing<nn::AdaptiveMaxPool2d>(PerAxis(2, 3)))}),
       layer("AdaptiveAveragePool2d",
             {of_module("size", constructing<nn::AdaptiveAveragePool2d>(PerAxis(2, 3)))}),
       layer("Flatten", {of_module("three_axes", constructing<nn::Flatten>())}),
       layer("SkipConnection", {of_module("linear", skipping_linear)}),
       layer("LoraLinear", {of_module("rank_two", thawed_lora)}),
       {"LstmLanguageModel",
        PartKind::model,
        {of_module("two_layers", constructing<nn::LstmLanguageModel>(nn::LstmLanguageModelOptions{
                                     .vocab = 5, .channels = 4, .layers = 2}))}}}};
}

}  // namespace ripieno::testing
