#include "ripieno/core/optim/lamb.h"

#include "ripieno/core/optim/direction_step.h"
#include "ripieno/core/optim/option_check.h"
#include "ripieno/core/place.h"
#include "ripieno/kernels/tensor_rules.h"

namespace ripieno::optim {

void check(const LambOptions& options) {
  require_moments("lamb", options.beta1, options.beta2, options.epsilon);
}

Lamb::Lamb(Parameters parameters, const LambOptions& options)
    : MomentOptimizer(std::move(parameters), options) {
  check(options);
}

void Lamb::update(const Range& range) {
  const Work work{"lamb",
                  {&range.values, &range.values, &range.values, &range.gradients},
                  trace::kUnknown,
                  7 * float_bytes(range)};  // both moments, and the direction three times
  run(work, range.values, [&]<typename T>(auto on) {
    for (const Piece& piece : pieces_of(range)) {
      const auto step = tensor_step<T>(range, piece);
      const DirectionStep<T> direction(range.values.device(), step.size);
      kernels::lamb_direction(on, direction.numbers(), step, first_moment(range) + piece.offset,
                              second_moment(range) + piece.offset, constants());
      direction.take(on, step, [&](kernels::DirectionFactors* factors, const double* squares) {
        kernels::lamb_factors(on, factors, squares, step.segments, step.scalars);
      });
    }
  });
}

}  // namespace ripieno::optim
