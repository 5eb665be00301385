#include "ripieno/core/optim/lamb.h"

#include <fmt/format.h>

#include "ripieno/core/optim/direction_step.h"
#include "ripieno/core/optim/option_check.h"
#include "ripieno/core/place.h"
#include "ripieno/kernels/tensor_rules.h"

namespace ripieno::optim {

void check(const LambOptions& options) {
  require_decay("lamb", "beta1", options.beta1);
  require_decay("lamb", "beta2", options.beta2);
  require_epsilon("lamb", "epsilon", options.epsilon);
}

Lamb::Lamb(Parameters parameters, const LambOptions& options)
    : Optimizer(std::move(parameters), {options.learning_rate, options.weight_decay, options.decays,
                                        options.max_gradient_norm, options.max_gradient_value,
                                        options.scales_loss, options.groups}),
      beta1_(options.beta1),
      beta2_(options.beta2),
      epsilon_(options.epsilon) {
  check(options);
}

std::vector<Optimizer::Option> Lamb::options() const {
  auto options = Optimizer::options();
  options.push_back({"beta1", fmt::format("{}", beta1_)});
  options.push_back({"beta2", fmt::format("{}", beta2_)});
  options.push_back({"epsilon", fmt::format("{}", epsilon_)});
  return options;
}

void Lamb::prepare() {
  add_state("first_moment");
  add_state("second_moment");
}

void Lamb::update(const Range& range) {
  const kernels::AdamWConstants constants{beta1_, beta2_, epsilon_};
  const Work work{"lamb",
                  {&range.values, &range.values, &range.values, &range.gradients},
                  trace::kUnknown,
                  7 * float_bytes(range)};  // both moments, and the direction three times
  run(work, range.values, [&]<typename T>(auto on) {
    for (const Piece& piece : pieces_of(range)) {
      const auto step = tensor_step<T>(range, piece);
      const DirectionStep<T> direction(range.values.device(), step.size);
      kernels::lamb_direction(on, direction.numbers(), step,
                              numbers("first_moment", range) + piece.offset,
                              numbers("second_moment", range) + piece.offset, constants);
      direction.take(on, step, [&](kernels::DirectionFactors* factors, const double* squares) {
        kernels::lamb_factors(on, factors, squares, step.segments, step.scalars);
      });
    }
  });
}

}  // namespace ripieno::optim
