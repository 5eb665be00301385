#include "ripieno/core/losses/cross_entropy.h"

#include <fmt/format.h>

#include "ripieno/core/autograd.h"
#include "ripieno/core/device_faults.h"
#include "ripieno/core/operands.h"
#include "ripieno/core/place.h"
#include "ripieno/kernels/cross_entropy.h"

namespace ripieno {

using autograd::Saved;

void require_targets(const char* operation, const Tensor& targets, int64_t classes,
                     int32_t ignored) {
  if (targets.dtype() != DType::int32) {
    fail(fmt::format("{}: targets must be int32, got {}", operation, name_of(targets.dtype())));
  }
  require_known_ids(IdOperation::cross_entropy, targets, classes, ignored);
}

Loss sum_of_rows(const Tensor& row_losses, const Tensor& targets, int32_t ignored) {
  Loss loss{Tensor({}, row_losses.dtype(), row_losses.device()),
            Tensor({}, row_losses.dtype(), row_losses.device())};
  run({"cross_entropy: sum", {&row_losses, &targets}, row_losses.elements()}, row_losses,
      [&]<typename T>(auto on) {
        using A = kernels::accumulator_t<T>;
        kernels::cross_entropy_sum(on, loss.sum.data<A>(), loss.count.data<A>(),
                                   row_losses.data<A>(), targets.data<int32_t>(),
                                   targets.elements(), ignored);
      });
  return loss;
}

Loss cross_entropy(const Tensor& logits_, const Tensor& targets_, int32_t ignored) {
  require_defined("cross_entropy", {{"logits", logits_}, {"targets", targets_}});
  require_one_device("cross_entropy", {{"logits", logits_}, {"targets", targets_}});
  const Tensor logits = logits_.dense(), targets = targets_.dense();
  const int64_t classes = logits.rank() == 0 ? 0 : logits.size(-1), rows = targets.elements();
  if (classes == 0 || rows * classes != logits.elements()) {
    fail("cross_entropy: logits is " + to_string(logits.shape()) + ", targets is " +
         to_string(targets.shape()) + "; they must be (…, classes) and (…)");
  }
  require_targets("cross_entropy", targets, classes, ignored);
  const kernels::LogitsShape shape{rows, classes, classes};
  const DType dtype = logits.dtype() == DType::float64 ? DType::float64 : DType::float32;
  Tensor log_sum_exp({rows, 2}, dtype, logits.device()), row_losses({rows}, dtype, logits.device());
  const Work work{"cross_entropy", {&logits, &targets}, 4 * logits.elements()};
  run(work, logits, [&]<typename T>(auto on) {
    using A = kernels::accumulator_t<T>;
    kernels::cross_entropy_forward(on, row_losses.data<A>(), log_sum_exp.data<A>(),
                                   logits.data<T>(), targets.data<int32_t>(), shape, ignored);
  });
  Loss loss = sum_of_rows(row_losses, targets, ignored);
  loss.sum = autograd::record(
      "cross_entropy", loss.sum, {&logits},
      [logits = Saved(logits), targets = Saved(targets), log_sum_exp, shape, ignored](
          const Tensor& gradient, autograd::Gradients& gradients) {
        Tensor back(logits->shape(), logits->dtype(), logits->device());
        const Work of_gradient{
            "cross_entropy: gradient", {&back, &*logits, &*targets}, 4 * back.elements()};
        run(of_gradient, *logits, [&]<typename T>(auto on) {
          using A = kernels::accumulator_t<T>;
          kernels::cross_entropy_backward(on, back.data<T>(), gradient.data<A>(), logits->data<T>(),
                                          targets->data<int32_t>(), log_sum_exp.data<A>(), shape,
                                          ignored);
        });
        gradients.add(0, back);
      });
  return loss;
}

}  // namespace ripieno
