#include "ripieno/core/ops/dropout.h"

#include <fmt/format.h>

#include "ripieno/core/autograd.h"
#include "ripieno/core/operands.h"
#include "ripieno/core/place.h"
#include "ripieno/core/random.h"

namespace ripieno {

kernels::DropoutMask DrawnDropout::mask() const {
  if (!key.defined()) return {};
  return {probability, static_cast<const kernels::RandomKey*>(key.raw_data()), offset};
}

Tensor DrawnDropout::operator()(const Tensor& dense) const {
  Tensor result(dense.shape(), dense.dtype(), dense.device());
  run({"dropout", {&result, &dense}, dense.elements()}, dense, [&]<typename T>(auto on) {
    kernels::dropout(on, result.data<T>(), dense.data<T>(), dense.elements(), mask());
  });
  return result;
}

DrawnDropout draw_dropout(const Tensor& x, double probability, uint64_t stream) {
  require_defined("dropout", {{"x", x}});
  if (!(probability >= 0.0 && probability < 1.0)) {
    fail(fmt::format("dropout: probability must be in [0, 1), got {}", probability));
  }
  if (probability == 0.0) return {};
  const int64_t row = x.rank() == 0 || x.size(0) == 0 ? 0 : x.elements() / x.size(0);
  return {probability, random_key_on(x.device(), stream), random_context().first_row * row};
}

Tensor dropout(const Tensor& x_, double probability, uint64_t stream) {
  const DrawnDropout drawn = draw_dropout(x_, probability, stream);
  if (drawn.probability == 0.0) return x_;
  const Tensor x = x_.dense();
  return autograd::record("dropout", drawn(x), {&x},
                          [drawn](const Tensor& gradient, autograd::Gradients& gradients) {
                            gradients.add(0, drawn(gradient));
                          });
}

}  // namespace ripieno
