#include "ripieno/core/optim/adagrad.h"

#include <fmt/format.h>

#include "ripieno/core/optim/option_check.h"
#include "ripieno/core/place.h"
#include "ripieno/kernels/optimizer_rules.h"

namespace ripieno::optim {

void check(const AdagradOptions& options) {
  require_not_negative("adagrad", "learning_rate_decay", options.learning_rate_decay);
  require_not_negative("adagrad", "initial_sum", options.initial_sum);
  require_epsilon("adagrad", "epsilon", options.epsilon);
}

Adagrad::Adagrad(Parameters parameters, const AdagradOptions& options)
    : Optimizer(std::move(parameters), {options.learning_rate, options.weight_decay, options.decays,
                                        options.max_gradient_norm, options.max_gradient_value,
                                        options.scales_loss, options.groups}),
      learning_rate_decay_(options.learning_rate_decay),
      initial_sum_(options.initial_sum),
      epsilon_(options.epsilon) {
  check(options);
}

std::vector<Optimizer::Option> Adagrad::options() const {
  auto options = Optimizer::options();
  options.push_back({"learning_rate_decay", fmt::format("{}", learning_rate_decay_)});
  options.push_back({"initial_sum", fmt::format("{}", initial_sum_)});
  options.push_back({"epsilon", fmt::format("{}", epsilon_)});
  return options;
}

void Adagrad::prepare() { add_state("sum_of_squares"); }

void Adagrad::update(const Range& range) {
  const kernels::AdagradConstants constants{learning_rate_decay_, epsilon_, initial_sum_};
  const Work work{"adagrad",
                  {&range.values, &range.values, &range.gradients},
                  trace::kUnknown,
                  2 * float_bytes(range)};
  run(work, range.values, [&]<typename T>(auto on) {
    kernels::adagrad(on, arena_step<T>(range), numbers("sum_of_squares", range), constants);
  });
}

}  // namespace ripieno::optim
