#include "ripieno/core/optim/adamw.h"

#include "ripieno/core/optim/option_check.h"
#include "ripieno/core/place.h"

namespace ripieno::optim {

void check(const AdamWOptions& options) {
  require_moments("adamw", options.beta1, options.beta2, options.epsilon);
}

AdamW::AdamW(Parameters parameters, const AdamWOptions& options)
    : MomentOptimizer(std::move(parameters), options) {
  check(options);
}

void AdamW::update(const Range& range) {
  const Work work{"adamw",
                  {&range.values, &range.values, &range.gradients},
                  trace::kUnknown,
                  4 * float_bytes(range)};  // both moments are read and written
  run(work, range.values, [&]<typename T>(auto on) {
    kernels::adamw(on, arena_step<T>(range), first_moment(range), second_moment(range),
                   constants());
  });
}

}  // namespace ripieno::optim
