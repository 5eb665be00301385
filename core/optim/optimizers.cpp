#include "ripieno/core/optim/optimizers.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <utility>

#include "ripieno/core/error.h"
#include "ripieno/core/optim/adamw.h"
#include "ripieno/core/optim/sgd.h"

namespace ripieno::optim {
namespace {

AdamWOptions adamw_options(const OptimizerOptions& options) {
  return {.learning_rate = options.learning_rate,
          .beta1 = options.beta1,
          .beta2 = options.beta2,
          .epsilon = options.epsilon,
          .weight_decay = options.weight_decay,
          .max_gradient_norm = options.max_gradient_norm,
          .max_gradient_value = options.max_gradient_value,
          .scales_loss = options.scales_loss,
          .groups = options.groups};
}

SgdOptions sgd_options(const OptimizerOptions& options) {
  return {.learning_rate = options.learning_rate,
          .momentum = options.momentum,
          .nesterov = options.nesterov,
          .weight_decay = options.weight_decay,
          .max_gradient_norm = options.max_gradient_norm,
          .max_gradient_value = options.max_gradient_value,
          .scales_loss = options.scales_loss,
          .groups = options.groups};
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
    {"adamw", make<AdamW, adamw_options>, check_as<adamw_options>},
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
