#include "ripieno/core/ops/linear.h"

#include <string>

#include "ripieno/core/autograd.h"
#include "ripieno/core/operands.h"
#include "ripieno/core/ops/activation.h"
#include "ripieno/core/ops/reduce.h"
#include "ripieno/core/place.h"
#include "ripieno/kernels/linear.h"
#include "ripieno/kernels/matmul.h"

namespace ripieno {
namespace {

using autograd::Gradients;
using autograd::Saved;
using kernels::LinearShape;

// `inputs`: the shape of the layer's input; its element type and device are those of `x`.
void check(const char* operation, const Shape& inputs, const Tensor& x, const Tensor& weight,
           const Tensor& bias) {
  const auto fail_with = [&](const std::string& what) {
    fail(std::string(operation) + ": " + what);
  };
  require_defined(operation, {{"x", x}, {"weight", weight}});
  if (weight.rank() != 2 || inputs.empty() || inputs.back() != weight.size(1)) {
    fail_with("x is " + to_string(inputs) + ", weight is " + to_string(weight.shape()) +
              "; they must be (…, inputs) and (outputs, inputs)");
  }
  if (bias.defined() && bias.shape() != Shape{weight.size(0)}) {
    fail_with("bias is " + to_string(bias.shape()) + ", weight is " + to_string(weight.shape()) +
              "; bias must be (outputs)");
  }
  require_one_type(operation, {{"x", x}, {"weight", weight}, {"bias", bias}});
}

Tensor dense(const Tensor& x) { return x.defined() ? x.dense() : x; }
LinearParameters dense(const LinearParameters& layer) {
  return {dense(layer.weight), dense(layer.bias)};
}

Shape with_last(Shape shape, int64_t size) {
  shape.back() = size;
  return shape;
}

// The shape of the layer whose input is `x`.
LinearShape shape_of(const Shape& x, const Tensor& weight) {
  int64_t rows = 1;
  for (int axis = 0; axis < x.rank() - 1; ++axis) rows *= x[axis];
  return {.rows = rows, .inputs = weight.size(1), .outputs = weight.size(0)};
}

// Of the product alone: bias and activation are not counted.
int64_t flops_of(const LinearShape& shape) { return 2 * shape.rows * shape.inputs * shape.outputs; }

// y = activation(x weight^T + bias). `before`: receives the input of the activation, if defined.
void forward(const Tensor& y, const Tensor& before, const Tensor& x, const Tensor& weight,
             const Tensor& bias, Activation activation) {
  if (y.elements() == 0) return;
  const LinearShape shape = shape_of(x.shape(), weight);
  const Work work{"linear", {&y, &before, &x, &weight, &bias}, flops_of(shape)};
  run(work, x, [&]<typename T>(auto on) {
    kernels::matmul_bias_activation(on, y.data<T>(), before.defined() ? before.data<T>() : nullptr,
                                    x.data<T>(), weight.data<T>(),
                                    bias.defined() ? bias.data<T>() : nullptr,
                                    {.m = shape.rows,
                                     .n = shape.outputs,
                                     .k = shape.inputs,
                                     .transpose_b = true,
                                     .lda = shape.inputs,
                                     .ldb = shape.inputs,
                                     .ldc = shape.outputs},
                                    activation);
  });
}

void compute_weight_gradient(Gradients& gradients, int input, const Tensor& gradient,
                             const Tensor& x, const LinearShape& shape) {
  const auto [target, accumulate] = gradients.destination(input);
  const Work work{"linear: weight gradient", {&target, &gradient, &x}, flops_of(shape)};
  run(work, gradient, [&, &target = target, accumulate = accumulate]<typename T>(auto on) {
    kernels::matmul(on, target.data<T>(), gradient.data<T>(), x.data<T>(),
                    {.m = shape.outputs,
                     .n = shape.inputs,
                     .k = shape.rows,
                     .transpose_a = true,
                     .lda = shape.outputs,
                     .ldb = shape.inputs,
                     .ldc = shape.inputs},
                    accumulate);
  });
}

void compute_bias_gradient(Gradients& gradients, int input, const Tensor& gradient,
                           const LinearShape& shape) {
  const auto [target, accumulate] = gradients.destination(input);
  sum_rows_into(target, gradient, shape.rows, accumulate);
}

// The gradients of a layer's weight and bias, from its input x and the gradient of its output. The
// weight is input `weight` of the operation, and the bias the next one.
void compute_parameter_gradients(Gradients& gradients, int weight, const Tensor& gradient,
                                 const Saved& x, const LinearShape& shape) {
  const int bias = weight + 1;
  if (!gradients.wanted(weight) || !gradients.wanted(bias)) {
    if (gradients.wanted(bias)) compute_bias_gradient(gradients, bias, gradient, shape);
    if (gradients.wanted(weight)) compute_weight_gradient(gradients, weight, gradient, *x, shape);
    return;
  }
  const auto of_bias = gradients.destination(bias), of_weight = gradients.destination(weight);
  const Tensor workspace = reduce_workspace(gradient, 1, shape.rows, shape.outputs);
  const Work work{"linear: parameter gradients",
                  {&of_weight.tensor, &of_bias.tensor, &gradient, &*x},
                  flops_of(shape) + gradient.elements()};
  run(work, gradient, [&]<typename T>(auto on) {
    kernels::linear_parameter_gradients<T>(on,
                                           {.weight = of_weight.tensor.data<T>(),
                                            .bias = of_bias.tensor.data<T>(),
                                            .add_to_weight = of_weight.accumulate,
                                            .add_to_bias = of_bias.accumulate},
                                           workspace.raw_data(), gradient.data<T>(), x->data<T>(),
                                           shape);
  });
}

// The gradient of the input, which is input 0 of the operation.
void compute_input_gradient(Gradients& gradients, const Tensor& gradient, const Tensor& weight,
                            const LinearShape& shape) {
  const auto [target, accumulate] = gradients.destination(0);
  if (target.elements() == 0) return;
  const Work work{"linear: input gradient", {&target, &gradient, &weight}, flops_of(shape)};
  run(work, gradient, [&, &target = target, accumulate = accumulate]<typename T>(auto on) {
    kernels::matmul(on, target.data<T>(), gradient.data<T>(), weight.data<T>(),
                    {.m = shape.rows,
                     .n = shape.inputs,
                     .k = shape.outputs,
                     .lda = shape.outputs,
                     .ldb = shape.inputs,
                     .ldc = shape.inputs},
                    accumulate);
  });
}

}  // namespace

Tensor linear(const Tensor& x_, const Tensor& weight_, const Tensor& bias_, Activation activation) {
  require_defined("linear", {{"x", x_}});
  check("linear", x_.shape(), x_, weight_, bias_);
  const Tensor x = x_.dense(), weight = weight_.dense(), bias = dense(bias_);
  const Shape shape = with_last(x.shape(), weight.size(0));
  const Tensor y(shape, x.dtype(), x.device());
  Tensor before;  // the activation's input, saved for its gradient
  if (autograd::needed({&x, &weight, &bias}) && activation != Activation::kNone) {
    before = Tensor(shape, x.dtype(), x.device());
  }
  forward(y, before, x, weight, bias, activation);
  return autograd::record(
      "linear", y, {&x, &weight, &bias},
      [x = Saved(x), weight = Saved(weight), before, activation,
       layer = shape_of(x.shape(), weight)](const Tensor& gradient, Gradients& gradients) {
        const Tensor back =
            before.defined() ? activation_gradient(gradient, before, activation) : gradient;
        compute_parameter_gradients(gradients, 1, back, x, layer);
        if (gradients.wanted(0)) compute_input_gradient(gradients, back, *weight, layer);
      });
}

Tensor feed_forward(const Tensor& x_, const LinearParameters& up_, const LinearParameters& down_,
                    Activation activation) {
  require_defined("feed_forward", {{"x", x_}});
  check("feed_forward", x_.shape(), x_, up_.weight, up_.bias);
  const Shape inner = with_last(x_.shape(), up_.weight.size(0));
  check("feed_forward", inner, x_, down_.weight, down_.bias);
  const Tensor x = x_.dense();
  const LinearParameters up = dense(up_), down = dense(down_);
  const Tensor hidden(inner, x.dtype(), x.device());
  const Tensor y(with_last(inner, down.weight.size(0)), x.dtype(), x.device());
  Tensor before;
  if (autograd::needed({&x, &up.weight, &up.bias, &down.weight, &down.bias})) {
    before = Tensor(inner, x.dtype(), x.device());
  }
  forward(hidden, before, x, up.weight, up.bias, activation);
  forward(y, {}, hidden, down.weight, down.bias, Activation::kNone);
  return autograd::record(
      "feed_forward", y, {&x, &up.weight, &up.bias, &down.weight, &down.bias},
      [x = Saved(x), before, hidden = Saved(hidden), up = Saved(up.weight),
       down = Saved(down.weight), activation, first = shape_of(x.shape(), up.weight),
       second = shape_of(inner, down.weight)](const Tensor& gradient, Gradients& gradients) {
        compute_parameter_gradients(gradients, 3, gradient, hidden, second);
        if (!gradients.wanted(0) && !gradients.wanted(1) && !gradients.wanted(2)) return;
        const Tensor back(before.shape(), before.dtype(), before.device());
        const Work work{
            "linear: input gradient", {&back, &gradient, &*down, &before}, flops_of(second)};
        run(work, gradient, [&]<typename T>(auto on) {
          kernels::linear_input_gradient(on, back.data<T>(), gradient.data<T>(), down->data<T>(),
                                         before.data<T>(), second, activation);
        });
        compute_parameter_gradients(gradients, 1, back, x, first);
        if (gradients.wanted(0)) compute_input_gradient(gradients, back, *up, first);
      });
}

}  // namespace ripieno
