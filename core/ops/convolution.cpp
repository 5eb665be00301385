#include "ripieno/core/ops/convolution.h"

#include <fmt/format.h>

#include "ripieno/core/autograd.h"
#include "ripieno/core/operands.h"
#include "ripieno/core/ops/reduce.h"
#include "ripieno/core/place.h"
#include "ripieno/kernels/channel_norm.h"
#include "ripieno/kernels/convolution.h"

namespace ripieno {
namespace {

using autograd::Gradients;
using autograd::Saved;
using kernels::ConvolutionAxis;
using kernels::ConvolutionShape;

// Larger values are mistakes, and would overflow.
constexpr int64_t kMostOfAnOption = (int64_t{1} << 31) - 1;

struct Call {
  const char* operation;
  int axes;  // spatial ones
  const Tensor &x, &weight, &bias;
  const ConvOptions& options;

  [[noreturn]] void refuse(const std::string& what) const {
    fail(fmt::format("{}: {}", operation, what));
  }
};

void check_option(const Call& call, const char* name, const PerAxis& value, int64_t least) {
  if (value.y >= least && value.y <= kMostOfAnOption && value.x >= least &&
      value.x <= kMostOfAnOption)
    return;
  call.refuse(fmt::format("{} is {}; it must be between {} and {}", name, to_string(value), least,
                          kMostOfAnOption));
}

void check_shapes(const Call& call) {
  const Tensor &x = call.x, &weight = call.weight;
  const int64_t groups = call.options.groups;
  const int rank = 2 + call.axes;
  const char* const sizes = call.axes == 1 ? "length" : "height, width";
  const auto shapes = [&] {
    return fmt::format("x is {}, weight is {}, groups is {}", to_string(x.shape()),
                       to_string(weight.shape()), groups);
  };
  if (x.rank() != rank || weight.rank() != rank || weight.elements() == 0) {
    call.refuse(
        fmt::format("{}; they must be (batch, inputs, {}) and (outputs, inputs / groups, "
                    "{} of the kernel)",
                    shapes(), sizes, sizes));
  }
  if (groups < 1 || weight.size(0) % groups != 0 || x.size(1) % groups != 0 ||
      x.size(1) / groups != weight.size(1)) {
    call.refuse(
        fmt::format("{}; x must have {} x groups channels, and the outputs must be a "
                    "multiple of groups",
                    shapes(), weight.size(1)));
  }
  if (call.bias.defined() && call.bias.shape() != Shape{weight.size(0)}) {
    call.refuse(fmt::format("bias is {}, weight is {}; bias must be (outputs)",
                            to_string(call.bias.shape()), to_string(weight.shape())));
  }
}

// `axis`: of x and weight.
ConvolutionAxis axis_of(const Call& call, int axis, int64_t stride, int64_t padding,
                        int64_t dilation) {
  ConvolutionAxis result{.in = call.x.size(axis),
                         .kernel = call.weight.size(axis),
                         .stride = stride,
                         .padding = padding,
                         .dilation = dilation};
  const bool is_huge = result.kernel > kMostOfAnOption;
  const int64_t extent = is_huge ? 0 : (result.kernel - 1) * dilation + 1;
  if (is_huge || result.in + 2 * padding < extent) {
    call.refuse(
        fmt::format("axis {} of x has {} elements and padding {}, fewer than the {} of the "
                    "kernel with dilation {}; use more padding or a smaller kernel",
                    axis, result.in, padding, result.kernel, dilation));
  }
  result.out = (result.in + 2 * padding - extent) / stride + 1;
  return result;
}

ConvolutionShape shape_of(const Call& call) {
  const ConvOptions& o = call.options;
  require_defined(call.operation, {{"x", call.x}, {"weight", call.weight}});
  require_one_type(call.operation, {{"x", call.x}, {"weight", call.weight}, {"bias", call.bias}});
  check_option(call, "stride", o.stride, 1);
  check_option(call, "padding", o.padding, 0);
  check_option(call, "dilation", o.dilation, 1);
  check_shapes(call);
  ConvolutionShape shape{.batch = call.x.size(0),
                         .inputs = call.x.size(1),
                         .outputs = call.weight.size(0),
                         .groups = o.groups};
  if (call.axes == 2) shape.y = axis_of(call, 2, o.stride.y, o.padding.y, o.dilation.y);
  shape.x = axis_of(call, 1 + call.axes, o.stride.x, o.padding.x, o.dilation.x);
  return shape;
}

// Of the products alone.
int64_t flops_of(const ConvolutionShape& shape) {
  return 2 * shape.batch * shape.out_size() * shape.weights();
}

void compute_input_gradient(Gradients& gradients, const Tensor& gradient, const Tensor& weight,
                            const ConvolutionShape& shape) {
  const auto [target, accumulate] = gradients.destination(0);
  const Work work{"convolution: input gradient", {&target, &gradient, &weight}, flops_of(shape)};
  run(work, gradient, [&, &target = target, accumulate = accumulate]<typename T>(auto on) {
    kernels::convolution_input_gradient(on, target.data<T>(), gradient.data<T>(), weight.data<T>(),
                                        shape, accumulate);
  });
}

void compute_weight_gradient(Gradients& gradients, const Tensor& gradient, const Tensor& x,
                             const ConvolutionShape& shape) {
  const auto [target, accumulate] = gradients.destination(1);
  int64_t size = 0;
  run_on(x.device(), [&](auto on) { size = kernels::convolution_workspace(on, shape); });
  const bool is_double = x.dtype() == DType::float64;
  const Tensor workspace({size}, is_double ? DType::float64 : DType::float32, x.device());
  const Work work{"convolution: weight gradient", {&target, &gradient, &x}, flops_of(shape)};
  run(work, gradient, [&, &target = target, accumulate = accumulate]<typename T>(auto on) {
    kernels::convolution_weight_gradient(on, target.data<T>(), workspace.raw_data(),
                                         gradient.data<T>(), x.data<T>(), shape, accumulate);
  });
}

void compute_bias_gradient(Gradients& gradients, const Tensor& gradient,
                           const ConvolutionShape& shape) {
  const NoGrad no_grad;
  const Tensor sums({shape.batch, shape.outputs}, DType::float64, gradient.device());
  const Work work{"convolution: bias gradient", {&sums, &gradient}, gradient.elements()};
  run(work, gradient, [&]<typename T>(auto on) {
    kernels::plane_sums(
        on, sums.data<double>(), gradient.data<T>(),
        {.batch = shape.batch, .channels = shape.outputs, .size = shape.out_size()});
  });
  gradients.add(2, sum(sums, 0).to(gradient.dtype()));
}

Tensor convolve(const Call& call) {
  const ConvolutionShape shape = shape_of(call);
  const Tensor x = call.x.dense(), weight = call.weight.dense();
  const Tensor bias = call.bias.defined() ? call.bias.dense() : Tensor();
  Shape sizes = {shape.batch, shape.outputs};
  if (call.axes == 2) sizes.push_back(shape.y.out);
  sizes.push_back(shape.x.out);
  const Tensor result(sizes, x.dtype(), x.device());
  const Work work{"convolution", {&result, &x, &weight, &bias}, flops_of(shape)};
  run(work, x, [&]<typename T>(auto on) {
    kernels::convolution_forward(on, result.data<T>(), x.data<T>(), weight.data<T>(),
                                 bias.defined() ? bias.data<T>() : nullptr, shape);
  });
  return autograd::record(
      call.operation, result, {&x, &weight, &bias},
      [x = Saved(x), weight = Saved(weight), shape](const Tensor& gradient, Gradients& gradients) {
        if (gradients.wanted(0)) compute_input_gradient(gradients, gradient, *weight, shape);
        if (gradients.wanted(1)) compute_weight_gradient(gradients, gradient, *x, shape);
        if (gradients.wanted(2)) compute_bias_gradient(gradients, gradient, shape);
      });
}

}  // namespace

std::string to_string(const PerAxis& values) { return fmt::format("({}, {})", values.y, values.x); }

Tensor conv1d(const Tensor& x, const Tensor& weight, const Tensor& bias,
              const ConvOptions& options) {
  return convolve({"conv1d", 1, x, weight, bias, options});
}

Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias,
              const ConvOptions& options) {
  return convolve({"conv2d", 2, x, weight, bias, options});
}

}  // namespace ripieno
