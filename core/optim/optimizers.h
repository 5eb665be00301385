// make_optimizer(): the optimizers that a configuration can name; optimizers.cpp has the table.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ripieno/core/optim/optimizer.h"

namespace ripieno::optim {

// The options of all optimizers; each optimizer uses those that it has.
struct OptimizerOptions {
  double learning_rate = 1e-3;
  double weight_decay = 0.0;
  double beta1 = 0.9, beta2 = 0.999;  // adamw
  double epsilon = 1e-8;              // adamw
  double momentum = 0.9;              // sgd
  bool nesterov = false;              // sgd
  double max_gradient_norm = 0.0;
  double max_gradient_value = 0.0;
  bool scales_loss = false;
  std::vector<ParameterGroup> groups = {};
};

// "adamw", "sgd".
std::vector<std::string> optimizer_names();
// Creates an optimizer. Throws ConfigurationError for an unknown name and for options that are out
// of range.
std::unique_ptr<Optimizer> make_optimizer(std::string_view name, Parameters parameters,
                                          const OptimizerOptions& options);
// Throws what make_optimizer() would throw, without parameters.
void check_optimizer(std::string_view name, const OptimizerOptions& options);

}  // namespace ripieno::optim
