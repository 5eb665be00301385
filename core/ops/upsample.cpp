#include "ripieno/core/ops/upsample.h"

#include <fmt/format.h>

#include "ripieno/core/autograd.h"
#include "ripieno/core/operands.h"
#include "ripieno/core/place.h"

namespace ripieno {
namespace {

using autograd::Gradients;
using kernels::UpsampleShape;

// Positions are products of two sizes.
constexpr int64_t kMostOfASize = (int64_t{1} << 30);

UpsampleShape upsample_shape(const Tensor& x, const PerAxis& size) {
  require_defined("upsample", {{"x", x}});
  bool fits = x.rank() == 3 || x.rank() == 4;
  for (int axis = 2; axis < x.rank(); ++axis)
    fits = fits && x.shape()[axis] >= 1 && x.shape()[axis] <= kMostOfASize;
  if (!fits) {
    fail(
        fmt::format("upsample: x is {}; it must be (batch, channels, length) or (batch, channels, "
                    "height, width), whose sizes are between 1 and {}",
                    to_string(x.shape()), kMostOfASize));
  }
  if (size.y < 1 || size.x < 1 || size.y > kMostOfASize || size.x > kMostOfASize) {
    fail(fmt::format("upsample: size is {}; it must be between 1 and {}", to_string(size),
                     kMostOfASize));
  }
  UpsampleShape shape{.planes = x.size(0) * x.size(1), .in_x = x.size(-1), .out_x = size.x};
  if (x.rank() == 4) {
    shape.in_y = x.size(2);
    shape.out_y = size.y;
  }
  return shape;
}

}  // namespace

Tensor upsample(const Tensor& x_, const PerAxis& size, Upsampling mode) {
  const UpsampleShape shape = upsample_shape(x_, size);
  const Tensor x = x_.dense();
  Shape sizes = x.shape();
  if (x.rank() == 4) sizes[2] = shape.out_y;
  sizes.back() = shape.out_x;
  const Tensor result(sizes, x.dtype(), x.device());
  run({"upsample", {&result, &x}, 8 * result.elements()}, x, [&]<typename T>(auto on) {
    kernels::upsample_forward(on, result.data<T>(), x.data<T>(), shape, mode);
  });
  return autograd::record(
      "upsample", result, {&x}, [shape, mode](const Tensor& gradient, Gradients& gradients) {
        const auto [target, accumulate] = gradients.destination(0);
        const Work work{"upsample: gradient", {&target, &gradient}, 8 * gradient.elements()};
        run(work, gradient, [&, &target = target, accumulate = accumulate]<typename T>(auto on) {
          kernels::upsample_backward(on, target.data<T>(), gradient.data<T>(), shape, mode,
                                     accumulate);
        });
      });
}

}  // namespace ripieno
