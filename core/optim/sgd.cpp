#include "ripieno/core/optim/sgd.h"

#include <fmt/format.h>

#include "ripieno/core/place.h"

namespace ripieno::optim {

Sgd::Sgd(Parameters parameters, const SgdOptions& options)
    : Optimizer(std::move(parameters), {options.learning_rate, options.weight_decay, options.decays,
                                        options.max_gradient_norm, options.scales_loss}),
      momentum_(options.momentum),
      nesterov_(options.nesterov) {
  if (!(momentum_ >= 0.0 && momentum_ < 1.0)) {
    throw ConfigurationError(fmt::format("sgd: a momentum of {} is not in [0, 1)", momentum_));
  }
  if (nesterov_ && momentum_ == 0.0) throw ConfigurationError("sgd: nesterov needs a momentum");
}

void Sgd::prepare() {
  if (momentum_ > 0.0) slot("velocity");
}

void Sgd::update(const Range& range) {
  const kernels::SgdConstants constants{static_cast<float>(momentum_), nesterov_};
  float* velocity = momentum_ > 0.0 ? numbers("velocity", range) : nullptr;
  run(range.values, [&]<typename T>(auto on) {
    kernels::sgd(on, range.values.data<T>(), master_numbers(range), velocity,
                 range.gradients.data<T>(), range.values.elements(), range.segments,
                 range.segment_count, range.scalars, constants);
  });
}

}  // namespace ripieno::optim
