#include "ripieno/core/optim/sgd.h"

#include <fmt/format.h>

#include "ripieno/core/error.h"
#include "ripieno/core/optim/option_check.h"
#include "ripieno/core/place.h"

namespace ripieno::optim {

void check(const SgdOptions& options) {
  const bool holds = options.momentum >= 0.0 && options.momentum < 1.0;
  require_option(holds, "sgd", "momentum", options.momentum, "in [0, 1)");
  if (options.nesterov && options.momentum == 0.0)
    throw ConfigurationError("sgd: nesterov requires a momentum above 0");
}

Sgd::Sgd(Parameters parameters, const SgdOptions& options)
    : Optimizer(std::move(parameters), {options.learning_rate, options.weight_decay, options.decays,
                                        options.max_gradient_norm, options.max_gradient_value,
                                        options.scales_loss, options.groups}),
      momentum_(options.momentum),
      nesterov_(options.nesterov) {
  check(options);
}

std::vector<Optimizer::Option> Sgd::options() const {
  auto options = Optimizer::options();
  options.push_back({"momentum", fmt::format("{}", momentum_)});
  options.push_back({"nesterov", fmt::format("{}", nesterov_)});
  return options;
}

void Sgd::prepare() {
  if (momentum_ > 0.0) add_state("velocity");
}

void Sgd::update(const Range& range) {
  const kernels::SgdConstants constants{static_cast<float>(momentum_), nesterov_};
  float* velocity = momentum_ > 0.0 ? numbers("velocity", range) : nullptr;
  const Work work{"sgd",
                  {&range.values, &range.values, &range.gradients},
                  trace::kUnknown,
                  velocity ? 2 * float_bytes(range) : 0};
  run(work, range.values,
      [&]<typename T>(auto on) { kernels::sgd(on, arena_step<T>(range), velocity, constants); });
}

}  // namespace ripieno::optim
