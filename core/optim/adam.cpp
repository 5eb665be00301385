#include "ripieno/core/optim/adam.h"

#include "ripieno/core/optim/option_check.h"
#include "ripieno/core/place.h"
#include "ripieno/kernels/optimizer_rules.h"

namespace ripieno::optim {

void check(const AdamOptions& options) {
  require_moments("adam", options.beta1, options.beta2, options.epsilon);
}

Adam::Adam(Parameters parameters, const AdamOptions& options)
    : MomentOptimizer(std::move(parameters), options) {
  check(options);
}

void Adam::update(const Range& range) {
  const Work work{"adam",
                  {&range.values, &range.values, &range.gradients},
                  trace::kUnknown,
                  4 * float_bytes(range)};
  run(work, range.values, [&]<typename T>(auto on) {
    kernels::adam(on, arena_step<T>(range), first_moment(range), second_moment(range), constants());
  });
}

}  // namespace ripieno::optim
