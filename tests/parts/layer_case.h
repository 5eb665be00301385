// Cases of layers and models: the reference's inputs are x and then the parameters.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "parts/part.h"
#include "ripieno/core/nn/module.h"

namespace ripieno::testing {

// A case that constructs a module, copies the inputs after the first to its parameters, in their
// order, and calls it with the first. The gradients of its parameters are those of the inputs.
Case of_module(std::string name, std::function<std::shared_ptr<nn::Module>()> construct);

template <typename Module, typename... Arguments>
std::function<std::shared_ptr<nn::Module>()> constructing(Arguments... arguments) {
  return [=] { return std::make_shared<Module>(arguments...); };
}

}  // namespace ripieno::testing
