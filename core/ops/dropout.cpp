#include "ripieno/core/ops/dropout.h"

#include <fmt/format.h>

#include "ripieno/core/autograd.h"
#include "ripieno/core/copy.h"
#include "ripieno/core/place.h"
#include "ripieno/core/random.h"
#include "ripieno/kernels/dropout.h"

namespace ripieno {
namespace {

// The key in memory of `device`, where the kernel reads it.
Tensor key_on(Device device, const kernels::RandomKey& key) {
  Tensor result({static_cast<int64_t>(sizeof key)}, DType::uint8, device);
  copy_bytes(result.raw_data(), device, &key, Device::cpu(), sizeof key);
  return result;
}

Tensor masked(const Tensor& x, double probability, const Tensor& key, int64_t offset) {
  Tensor result(x.shape(), x.dtype(), x.device());
  run(x, [&]<typename T>(auto on) {
    kernels::dropout(on, result.data<T>(), x.data<T>(), x.elements(), probability,
                     static_cast<const kernels::RandomKey*>(key.raw_data()), offset);
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
  const RandomContext& context = random_context();
  const Tensor key = key_on(x.device(), {context.seed, stream, context.step});
  const int64_t row = x.rank() == 0 || x.size(0) == 0 ? 0 : x.elements() / x.size(0);
  const int64_t offset = context.first_row * row;
  return autograd::record(
      "dropout", masked(x, probability, key, offset), {&x},
      [probability, key, offset](const Tensor& gradient, autograd::Gradients& gradients) {
        gradients.add(0, masked(gradient, probability, key, offset));
      });
}

}  // namespace ripieno
