#include "ripieno/core/ops/pooling.h"

#include <fmt/format.h>

#include <limits>

#include "ripieno/core/autograd.h"
#include "ripieno/core/operands.h"
#include "ripieno/core/place.h"
#include "ripieno/kernels/pooling.h"

namespace ripieno {
namespace {

using autograd::Gradients;
using autograd::Saved;
using kernels::PoolAxis;
using kernels::PoolShape;

constexpr int64_t kMostOfAnOption = (int64_t{1} << 31) - 1;

[[noreturn]] void refuse(const char* operation, const std::string& what) {
  fail(fmt::format("{}: {}", operation, what));
}

void check_image(const char* operation, const Tensor& x) {
  require_defined(operation, {{"x", x}});
  bool has_elements = true;
  for (int axis = 1; axis < x.rank(); ++axis) has_elements = has_elements && x.shape()[axis] > 0;
  if ((x.rank() != 3 && x.rank() != 4) || !has_elements) {
    refuse(operation, fmt::format("x is {}; it must be (batch, channels, length) or (batch, "
                                  "channels, height, width), only batch may be 0",
                                  to_string(x.shape())));
  }
  const int64_t plane = x.size(-1) * (x.rank() == 4 ? x.size(2) : 1);
  if (plane > std::numeric_limits<int32_t>::max()) {
    refuse(operation, fmt::format("x is {}; a channel must have at most {} elements",
                                  to_string(x.shape()), std::numeric_limits<int32_t>::max()));
  }
}

void check_option(const char* operation, const char* name, const PerAxis& value, int64_t least) {
  if (value.y >= least && value.y <= kMostOfAnOption && value.x >= least &&
      value.x <= kMostOfAnOption)
    return;
  refuse(operation, fmt::format("{} is {}; it must be between {} and {}", name, to_string(value),
                                least, kMostOfAnOption));
}

// Completes `axis`, whose options are set, for an axis of x of `in` elements.
PoolAxis fitted(const char* operation, int64_t in, PoolAxis axis, bool round_up) {
  axis.in = in;
  const int64_t extent = (axis.kernel - 1) * axis.dilation + 1;
  if (2 * axis.padding > extent) {
    refuse(operation, fmt::format("padding is {}, the window covers {} elements; padding must be "
                                  "at most half of that",
                                  axis.padding, extent));
  }
  const int64_t rest = in + 2 * axis.padding - extent;
  if (rest < 0) {
    refuse(operation, fmt::format("an axis of x has {} elements and padding {}, fewer than the {} "
                                  "that a window covers; use a smaller window",
                                  in, axis.padding, extent));
  }
  axis.out = (rest + (round_up ? axis.stride - 1 : 0)) / axis.stride + 1;
  // A window that would begin in the padding at the end is left out.
  if (round_up && (axis.out - 1) * axis.stride >= in + axis.padding) --axis.out;
  return axis;
}

struct Windows {
  PerAxis window, stride, padding, dilation;
  bool round_up;
};

PoolShape shape_of(const char* operation, const Tensor& x, const Windows& w) {
  check_image(operation, x);
  check_option(operation, "window", w.window, 1);
  check_option(operation, "stride", w.stride, 1);
  check_option(operation, "padding", w.padding, 0);
  check_option(operation, "dilation", w.dilation, 1);
  PoolShape shape{.planes = x.size(0) * x.size(1)};
  if (x.rank() == 4) {
    shape.y = fitted(operation, x.size(2),
                     {.kernel = w.window.y,
                      .stride = w.stride.y,
                      .padding = w.padding.y,
                      .dilation = w.dilation.y},
                     w.round_up);
  }
  shape.x = fitted(operation, x.size(-1),
                   {.kernel = w.window.x,
                    .stride = w.stride.x,
                    .padding = w.padding.x,
                    .dilation = w.dilation.x},
                   w.round_up);
  return shape;
}

PoolShape adaptive_shape(const char* operation, const Tensor& x, const PerAxis& size) {
  check_image(operation, x);
  check_option(operation, "size", size, 1);
  PoolShape shape{.planes = x.size(0) * x.size(1)};
  if (x.rank() == 4) shape.y = {.in = x.size(2), .out = size.y, .adaptive = true};
  shape.x = {.in = x.size(-1), .out = size.x, .adaptive = true};
  return shape;
}

Shape result_shape(const Tensor& x, const PoolShape& shape) {
  if (x.rank() == 3) return {x.size(0), x.size(1), shape.x.out};
  return {x.size(0), x.size(1), shape.y.out, shape.x.out};
}

Tensor max_pool_of(const char* operation, const Tensor& x_, const PoolShape& shape) {
  const Tensor x = x_.dense();
  const Tensor result(result_shape(x, shape), x.dtype(), x.device());
  const Tensor indices(result.shape(), DType::int32, x.device());
  run({"max_pool", {&result, &indices, &x}, x.elements()}, x, [&]<typename T>(auto on) {
    kernels::max_pool_forward(on, result.data<T>(), indices.data<int32_t>(), x.data<T>(), shape);
  });
  return autograd::record(
      operation, result, {&x}, [indices, shape](const Tensor& gradient, Gradients& gradients) {
        const auto [target, accumulate] = gradients.destination(0);
        const Work work{"max_pool: gradient", {&target, &gradient, &indices}, gradient.elements()};
        run(work, gradient, [&, &target = target, accumulate = accumulate]<typename T>(auto on) {
          kernels::max_pool_backward(on, target.data<T>(), gradient.data<T>(),
                                     indices.data<int32_t>(), shape, accumulate);
        });
      });
}

Tensor average_pool_of(const char* operation, const Tensor& x_, const PoolShape& shape) {
  const Tensor x = x_.dense();
  const Tensor result(result_shape(x, shape), x.dtype(), x.device());
  run({"average_pool", {&result, &x}, x.elements()}, x, [&]<typename T>(auto on) {
    kernels::average_pool_forward(on, result.data<T>(), x.data<T>(), shape);
  });
  return autograd::record(
      operation, result, {&x}, [shape](const Tensor& gradient, Gradients& gradients) {
        const auto [target, accumulate] = gradients.destination(0);
        const Work work{"average_pool: gradient", {&target, &gradient}, target.elements()};
        run(work, gradient, [&, &target = target, accumulate = accumulate]<typename T>(auto on) {
          kernels::average_pool_backward(on, target.data<T>(), gradient.data<T>(), shape,
                                         accumulate);
        });
      });
}

}  // namespace

Tensor max_pool(const Tensor& x, const PerAxis& window, const MaxPoolOptions& options) {
  return max_pool_of("max_pool", x,
                     shape_of("max_pool", x,
                              {window, options.stride.value_or(window), options.padding,
                               options.dilation, options.round_up}));
}

Tensor average_pool(const Tensor& x, const PerAxis& window, const AveragePoolOptions& options) {
  PoolShape shape =
      shape_of("average_pool", x,
               {window, options.stride.value_or(window), options.padding, 1, options.round_up});
  shape.count_padding = options.count_padding;
  return average_pool_of("average_pool", x, shape);
}

Tensor adaptive_max_pool(const Tensor& x, const PerAxis& size) {
  return max_pool_of("adaptive_max_pool", x, adaptive_shape("adaptive_max_pool", x, size));
}

Tensor adaptive_average_pool(const Tensor& x, const PerAxis& size) {
  return average_pool_of("adaptive_average_pool", x,
                         adaptive_shape("adaptive_average_pool", x, size));
}

Tensor global_max_pool(const Tensor& x) {
  const PoolShape shape = adaptive_shape("global_max_pool", x, 1);
  return max_pool_of("global_max_pool", x, shape).reshape({x.size(0), x.size(1)});
}

Tensor global_average_pool(const Tensor& x) {
  const PoolShape shape = adaptive_shape("global_average_pool", x, 1);
  return average_pool_of("global_average_pool", x, shape).reshape({x.size(0), x.size(1)});
}

}  // namespace ripieno
