#include "ripieno/core/optim/lion.h"

#include <fmt/format.h>

#include "ripieno/core/optim/option_check.h"
#include "ripieno/core/place.h"
#include "ripieno/kernels/optimizer_rules.h"

namespace ripieno::optim {

void check(const LionOptions& options) {
  require_decay("lion", "beta1", options.beta1);
  require_decay("lion", "beta2", options.beta2);
}

Lion::Lion(Parameters parameters, const LionOptions& options)
    : Optimizer(std::move(parameters), {options.learning_rate, options.weight_decay, options.decays,
                                        options.max_gradient_norm, options.max_gradient_value,
                                        options.scales_loss, options.groups}),
      beta1_(options.beta1),
      beta2_(options.beta2) {
  check(options);
}

std::vector<Optimizer::Option> Lion::options() const {
  auto options = Optimizer::options();
  options.push_back({"beta1", fmt::format("{}", beta1_)});
  options.push_back({"beta2", fmt::format("{}", beta2_)});
  return options;
}

void Lion::prepare() { add_state("momentum"); }

void Lion::update(const Range& range) {
  const kernels::LionConstants constants{beta1_, beta2_};
  const Work work{"lion",
                  {&range.values, &range.values, &range.gradients},
                  trace::kUnknown,
                  2 * float_bytes(range)};
  run(work, range.values, [&]<typename T>(auto on) {
    kernels::lion(on, arena_step<T>(range), numbers("momentum", range), constants);
  });
}

}  // namespace ripieno::optim
