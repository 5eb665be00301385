#include "ripieno/core/ops/cross_entropy.h"

#include <fmt/format.h>

#include <span>

#include "ripieno/core/autograd.h"
#include "ripieno/core/place.h"
#include "ripieno/kernels/cross_entropy.h"

namespace ripieno {
namespace {

void check(const Tensor& logits, const Tensor& targets, int32_t ignored) {
  const int64_t classes = logits.rank() == 0 ? 0 : logits.size(-1);
  if (classes == 0 || targets.elements() * classes != logits.elements()) {
    fail("cross_entropy: logits " + to_string(logits.shape()) + " do not fit targets " +
         to_string(targets.shape()));
  }
  if (targets.dtype() != DType::int32) {
    fail(fmt::format("cross_entropy: targets are int32, not {}", name_of(targets.dtype())));
  }
  if (targets.device().is_cuda()) return;  // the kernel gives NaN instead
  for (const int32_t target :
       std::span(targets.data<int32_t>(), static_cast<std::size_t>(targets.elements()))) {
    if (target != ignored && (target < 0 || target >= classes)) {
      throw DataError(
          fmt::format("cross_entropy: target {} is outside the {} classes", target, classes));
    }
  }
}

}  // namespace

double Loss::mean() const { return sum.item() / count.item(); }

Loss cross_entropy(const Tensor& logits_, const Tensor& targets_, int32_t ignored) {
  const Tensor logits = logits_.dense(), targets = targets_.dense();
  check(logits, targets, ignored);
  const int64_t classes = logits.size(-1), rows = targets.elements();
  const DType dtype = logits.dtype() == DType::float64 ? DType::float64 : DType::float32;
  Loss loss{Tensor({}, dtype, logits.device()), Tensor({}, dtype, logits.device())};
  Tensor log_sum_exp({rows}, dtype, logits.device()), workspace({rows}, dtype, logits.device());
  run(logits, [&]<typename T>(auto on) {
    using A = kernels::accumulator_t<T>;
    kernels::cross_entropy_forward(on, loss.sum.data<A>(), loss.count.data<A>(),
                                   log_sum_exp.data<A>(), workspace.data<A>(), logits.data<T>(),
                                   targets.data<int32_t>(), rows, classes, ignored);
  });
  loss.sum = autograd::record("cross_entropy", loss.sum, {&logits},
                              [logits, targets, log_sum_exp, rows, classes, ignored](
                                  const Tensor& gradient, autograd::Gradients& gradients) {
                                Tensor back(logits.shape(), logits.dtype(), logits.device());
                                run(logits, [&]<typename T>(auto on) {
                                  using A = kernels::accumulator_t<T>;
                                  kernels::cross_entropy_backward(
                                      on, back.data<T>(), gradient.data<A>(), logits.data<T>(),
                                      targets.data<int32_t>(), log_sum_exp.data<A>(), rows, classes,
                                      ignored);
                                });
                                gradients.add(0, back);
                              });
  return loss;
}

}  // namespace ripieno
