#include "ripieno/core/optim/rms_prop.h"

#include <fmt/format.h>

#include "ripieno/core/optim/option_check.h"
#include "ripieno/core/place.h"
#include "ripieno/kernels/optimizer_rules.h"

namespace ripieno::optim {

void check(const RmsPropOptions& options) {
  require_decay("rms_prop", "decay", options.decay);
  require_decay("rms_prop", "momentum", options.momentum);
  require_epsilon("rms_prop", "epsilon", options.epsilon);
}

RmsProp::RmsProp(Parameters parameters, const RmsPropOptions& options)
    : Optimizer(std::move(parameters), {options.learning_rate, options.weight_decay, options.decays,
                                        options.max_gradient_norm, options.max_gradient_value,
                                        options.scales_loss, options.groups}),
      decay_(options.decay),
      epsilon_(options.epsilon),
      momentum_(options.momentum),
      centered_(options.centered) {
  check(options);
}

std::vector<Optimizer::Option> RmsProp::options() const {
  auto options = Optimizer::options();
  options.push_back({"decay", fmt::format("{}", decay_)});
  options.push_back({"epsilon", fmt::format("{}", epsilon_)});
  options.push_back({"momentum", fmt::format("{}", momentum_)});
  options.push_back({"centered", fmt::format("{}", centered_)});
  return options;
}

void RmsProp::prepare() {
  add_state("mean_square");
  if (centered_) add_state("mean");
  if (momentum_ > 0.0) add_state("velocity");
}

void RmsProp::update(const Range& range) {
  const kernels::RmsPropConstants constants{decay_, epsilon_, momentum_};
  const kernels::RmsPropState state{
      .mean_square = numbers("mean_square", range),
      .mean = centered_ ? numbers("mean", range) : nullptr,
      .velocity = momentum_ > 0.0 ? numbers("velocity", range) : nullptr};
  const int states = 1 + (centered_ ? 1 : 0) + (momentum_ > 0.0 ? 1 : 0);
  const Work work{"rms_prop",
                  {&range.values, &range.values, &range.gradients},
                  trace::kUnknown,
                  2 * states * float_bytes(range)};
  run(work, range.values,
      [&]<typename T>(auto on) { kernels::rms_prop(on, arena_step<T>(range), state, constants); });
}

}  // namespace ripieno::optim
