#include "ripieno/core/optim/optimizers.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <utility>

#include "ripieno/core/error.h"
#include "ripieno/core/optim/adafactor.h"
#include "ripieno/core/optim/adagrad.h"
#include "ripieno/core/optim/adam.h"
#include "ripieno/core/optim/adamw.h"
#include "ripieno/core/optim/lamb.h"
#include "ripieno/core/optim/lion.h"
#include "ripieno/core/optim/muon.h"
#include "ripieno/core/optim/rms_prop.h"
#include "ripieno/core/optim/sgd.h"

namespace ripieno::optim {
namespace {

// Options with those that all optimizers have.
template <typename Own>
Own with_common(const OptimizerOptions& options) {
  Own own;
  own.learning_rate = options.learning_rate;
  own.weight_decay = options.weight_decay;
  own.max_gradient_norm = options.max_gradient_norm;
  own.max_gradient_value = options.max_gradient_value;
  own.scales_loss = options.scales_loss;
  own.groups = options.groups;
  return own;
}

// The options of the moments of Adam.
template <typename Own>
Own with_moments(const OptimizerOptions& options) {
  auto own = with_common<Own>(options);
  own.beta1 = options.beta1.value_or(own.beta1);
  own.beta2 = options.beta2.value_or(own.beta2);
  own.epsilon = options.epsilon.value_or(own.epsilon);
  return own;
}

AdafactorOptions adafactor_options(const OptimizerOptions& options) {
  auto own = with_common<AdafactorOptions>(options);
  own.decay_exponent = options.decay_exponent;
  own.epsilon1 = options.epsilon;
  own.epsilon2 = options.epsilon2;
  own.clip_threshold = options.clip_threshold;
  return own;
}

AdagradOptions adagrad_options(const OptimizerOptions& options) {
  auto own = with_common<AdagradOptions>(options);
  own.learning_rate_decay = options.learning_rate_decay;
  own.initial_sum = options.initial_sum;
  own.epsilon = options.epsilon.value_or(own.epsilon);
  return own;
}

LionOptions lion_options(const OptimizerOptions& options) {
  auto own = with_common<LionOptions>(options);
  own.beta1 = options.beta1.value_or(own.beta1);
  own.beta2 = options.beta2.value_or(own.beta2);
  return own;
}

MuonOptions muon_options(const OptimizerOptions& options) {
  auto own = with_moments<MuonOptions>(options);
  own.momentum = options.momentum.value_or(own.momentum);
  own.nesterov = options.nesterov.value_or(own.nesterov);
  own.iterations = options.muon_iterations;
  own.scale = options.muon_scale;
  own.adamw_parameters = options.adamw_parameters;
  return own;
}

RmsPropOptions rms_prop_options(const OptimizerOptions& options) {
  auto own = with_common<RmsPropOptions>(options);
  own.decay = options.beta2.value_or(own.decay);
  own.epsilon = options.epsilon.value_or(own.epsilon);
  own.momentum = options.momentum.value_or(own.momentum);
  own.centered = options.centered;
  return own;
}

SgdOptions sgd_options(const OptimizerOptions& options) {
  auto own = with_common<SgdOptions>(options);
  own.momentum = options.momentum.value_or(0.9);
  own.nesterov = options.nesterov.value_or(own.nesterov);
  return own;
}

template <typename Made, auto options_of>
std::unique_ptr<Optimizer> make(Parameters parameters, const OptimizerOptions& options) {
  return std::make_unique<Made>(std::move(parameters), options_of(options));
}

template <auto options_of>
void check_as(const OptimizerOptions& options) {
  check(options_of(options));
}

struct Row {
  const char* name;
  std::unique_ptr<Optimizer> (*make)(Parameters parameters, const OptimizerOptions& options);
  void (*check)(const OptimizerOptions& options);
};

constexpr Row kRows[] = {
    {"adafactor", make<Adafactor, adafactor_options>, check_as<adafactor_options>},
    {"adagrad", make<Adagrad, adagrad_options>, check_as<adagrad_options>},
    {"adam", make<Adam, with_moments<AdamOptions>>, check_as<with_moments<AdamOptions>>},
    {"adamw", make<AdamW, with_moments<AdamWOptions>>, check_as<with_moments<AdamWOptions>>},
    {"lamb", make<Lamb, with_moments<LambOptions>>, check_as<with_moments<LambOptions>>},
    {"lion", make<Lion, lion_options>, check_as<lion_options>},
    {"muon", make<Muon, muon_options>, check_as<muon_options>},
    {"rms_prop", make<RmsProp, rms_prop_options>, check_as<rms_prop_options>},
    {"sgd", make<Sgd, sgd_options>, check_as<sgd_options>},
};

const Row& row_of(std::string_view name) {
  for (const Row& row : kRows) {
    if (row.name == name) return row;
  }
  throw ConfigurationError(fmt::format("unknown optimizer '{}'; it must be one of {}", name,
                                       fmt::join(optimizer_names(), ", ")));
}

}  // namespace

std::vector<std::string> optimizer_names() {
  std::vector<std::string> names;
  for (const Row& row : kRows) names.emplace_back(row.name);
  return names;
}

std::unique_ptr<Optimizer> make_optimizer(std::string_view name, Parameters parameters,
                                          const OptimizerOptions& options) {
  return row_of(name).make(std::move(parameters), options);
}

void check_optimizer(std::string_view name, const OptimizerOptions& options) {
  row_of(name).check(options);
}

}  // namespace ripieno::optim
