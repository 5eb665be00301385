// make_optimizer(): the optimizers that a configuration can name; optimizers.cpp has the table.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ripieno/core/optim/muon.h"
#include "ripieno/core/optim/optimizer.h"

namespace ripieno::optim {

// The options of all optimizers; each optimizer uses those that it has. Empty: its own default.
struct OptimizerOptions {
  double learning_rate = 1e-3;
  double weight_decay = 0.0;
  std::optional<double> beta1 = {};     // adam, adamw, lamb, lion, muon
  std::optional<double> beta2 = {};     // the same, and of the mean square of rms_prop
  std::optional<double> epsilon = {};   // all but lion and sgd; epsilon1 of adafactor
  std::optional<double> momentum = {};  // muon, rms_prop, sgd (0.9)
  std::optional<bool> nesterov = {};    // muon, sgd
  bool centered = false;                // rms_prop
  double learning_rate_decay = 0.0;     // adagrad
  double initial_sum = 0.0;             // adagrad
  double decay_exponent = -0.8;         // adafactor
  double clip_threshold = 1.0;          // adafactor
  double epsilon2 = 1e-3;               // adafactor
  MuonOptions::Scale muon_scale = MuonOptions::Scale::adamw;
  int muon_iterations = 5;
  std::vector<std::string> adamw_parameters = MuonOptions().adamw_parameters;  // muon
  double max_gradient_norm = 0.0;
  double max_gradient_value = 0.0;
  bool scales_loss = false;
  std::vector<ParameterGroup> groups = {};
};

// "adafactor", "adagrad", "adam", "adamw", "lamb", "lion", "muon", "rms_prop", "sgd".
std::vector<std::string> optimizer_names();
// Creates an optimizer. Throws ConfigurationError for an unknown name and for options that are out
// of range.
std::unique_ptr<Optimizer> make_optimizer(std::string_view name, Parameters parameters,
                                          const OptimizerOptions& options);
// Throws what make_optimizer() would throw, without parameters.
void check_optimizer(std::string_view name, const OptimizerOptions& options);

}  // namespace ripieno::optim
