#include "ripieno/core/ops/dropout.h"

#include <fmt/format.h>

#include "ripieno/core/autograd.h"
#include "ripieno/core/place.h"
#include "ripieno/core/random.h"
#include "ripieno/kernels/dropout.h"

namespace ripieno {
namespace {

Tensor masked(const Tensor& x, double probability, const Tensor& key, int64_t offset) {
  Tensor result(x.shape(), x.dtype(), x.device());
  run(x, [&]<typename T>(auto on) {
    const auto* const where = static_cast<const kernels::RandomKey*>(key.raw_data());
    kernels::dropout(on, result.data<T>(), x.data<T>(), x.elements(), {probability, where, offset});
  });
  return result;
}

}  // namespace

Tensor dropout(const Tensor& x_, double probability, uint64_t stream) {
  if (!(probability >= 0.0 && probability < 1.0)) {
    fail(fmt::format("dropout: a probability of {} is not in [0, 1)", probability));
  }
  if (probability == 0.0) return x_;
  const Tensor x = x_.dense();
  const Tensor key = random_key_on(x.device(), stream);
  const int64_t row = x.rank() == 0 || x.size(0) == 0 ? 0 : x.elements() / x.size(0);
  const int64_t offset = random_context().first_row * row;
  return autograd::record(
      "dropout", masked(x, probability, key, offset), {&x},
      [probability, key, offset](const Tensor& gradient, autograd::Gradients& gradients) {
        gradients.add(0, masked(gradient, probability, key, offset));
      });
}

}  // namespace ripieno
