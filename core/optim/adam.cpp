#include "ripieno/core/optim/adam.h"

#include <fmt/format.h>

#include "ripieno/core/optim/option_check.h"
#include "ripieno/core/place.h"
#include "ripieno/kernels/optimizer_rules.h"

namespace ripieno::optim {

void check(const AdamOptions& options) {
  require_decay("adam", "beta1", options.beta1);
  require_decay("adam", "beta2", options.beta2);
  require_epsilon("adam", "epsilon", options.epsilon);
}

Adam::Adam(Parameters parameters, const AdamOptions& options)
    : Optimizer(std::move(parameters), {options.learning_rate, options.weight_decay, options.decays,
                                        options.max_gradient_norm, options.max_gradient_value,
                                        options.scales_loss, options.groups}),
      beta1_(options.beta1),
      beta2_(options.beta2),
      epsilon_(options.epsilon) {
  check(options);
}

std::vector<Optimizer::Option> Adam::options() const {
  auto options = Optimizer::options();
  options.push_back({"beta1", fmt::format("{}", beta1_)});
  options.push_back({"beta2", fmt::format("{}", beta2_)});
  options.push_back({"epsilon", fmt::format("{}", epsilon_)});
  return options;
}

void Adam::prepare() {
  add_state("first_moment");
  add_state("second_moment");
}

void Adam::update(const Range& range) {
  const kernels::AdamWConstants constants{beta1_, beta2_, epsilon_};
  const Work work{"adam",
                  {&range.values, &range.values, &range.gradients},
                  trace::kUnknown,
                  4 * float_bytes(range)};
  run(work, range.values, [&]<typename T>(auto on) {
    kernels::adam(on, arena_step<T>(range), numbers("first_moment", range),
                  numbers("second_moment", range), constants);
  });
}

}  // namespace ripieno::optim
