#include "ripieno/core/optim/adamw.h"

#include <fmt/format.h>

#include "ripieno/core/place.h"

namespace ripieno::optim {

AdamW::AdamW(Parameters parameters, const AdamWOptions& options)
    : Optimizer(std::move(parameters), {options.learning_rate, options.weight_decay, options.decays,
                                        options.max_gradient_norm, options.scales_loss}),
      beta1_(options.beta1),
      beta2_(options.beta2),
      epsilon_(options.epsilon) {
  for (const double beta : {beta1_, beta2_}) {
    if (!(beta >= 0.0 && beta < 1.0)) {
      throw ConfigurationError(fmt::format("adamw: a beta of {} is not in [0, 1)", beta));
    }
  }
}

void AdamW::prepare() {
  slot("first_moment");
  slot("second_moment");
}

void AdamW::update(const Range& range) {
  const kernels::AdamWConstants constants{static_cast<float>(beta1_), static_cast<float>(beta2_),
                                          static_cast<float>(epsilon_)};
  run(range.values, [&]<typename T>(auto on) {
    kernels::adamw(on, range.values.data<T>(), master_numbers(range),
                   numbers("first_moment", range), numbers("second_moment", range),
                   range.gradients.data<T>(), range.values.elements(), range.segments,
                   range.segment_count, range.scalars, constants);
  });
}

}  // namespace ripieno::optim
