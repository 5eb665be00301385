#include "ripieno/core/ops/reduce.h"

#include <fmt/format.h>

#include <algorithm>

#include "ripieno/core/autograd.h"
#include "ripieno/core/operands.h"
#include "ripieno/core/ops/arithmetic.h"
#include "ripieno/core/place.h"
#include "ripieno/kernels/reduce.h"

namespace ripieno {
namespace {

using autograd::Gradients;
using autograd::Saved;
using kernels::ReduceShape;
using kernels::Reduction;

// x viewed as (outer, axis, inner).
ReduceShape split(const Shape& shape, int axis) {
  ReduceShape result;
  for (int i = 0; i < shape.rank(); ++i) {
    (i < axis ? result.outer : i == axis ? result.axis : result.inner) *= shape[i];
  }
  return result;
}

Shape reduced(const Shape& shape, int axis, bool keep) {
  Shape result;
  for (int i = 0; i < shape.rank(); ++i) {
    if (i != axis)
      result.push_back(shape[i]);
    else if (keep)
      result.push_back(1);
  }
  return result;
}

void reduce_into(const Tensor& out, const Tensor& x, const ReduceShape& shape, Reduction reduction,
                 double scale, bool accumulate = false) {
  run({"reduce", {&out, &x}, x.elements()}, x, [&]<typename T>(auto on) {
    const Tensor workspace = reduce_workspace(x, shape.outer, shape.axis, shape.inner);
    kernels::reduce(on, out.data<T>(), x.data<T>(), workspace.raw_data(), shape, reduction, scale,
                    accumulate);
  });
}

// Requires that x can be viewed as these sizes.
void require_view(const char* operation, const Tensor& x, const Shape& sizes) {
  require_defined(operation, {{"x", x}});
  if (std::ranges::any_of(sizes, [](int64_t size) { return size < 0; }) ||
      sizes.elements() != x.elements()) {
    fail(
        fmt::format("{}: x is {}, viewed as {}; the sizes must not be negative, and their product "
                    "must be the number of elements, {}",
                    operation, to_string(x.shape()), to_string(sizes), x.elements()));
  }
}

Tensor scaled_sum(const char* name, const Tensor& x, int axis_, bool keep, bool mean) {
  require_defined(name, {{"x", x}});
  const int axis = x.shape().axis(axis_);
  const ReduceShape parts = split(x.shape(), axis);
  const double scale = mean ? 1.0 / static_cast<double>(parts.axis) : 1.0;
  Tensor result(reduced(x.shape(), axis, keep), x.dtype(), x.device());
  reduce_into(result, x.dense(), parts, Reduction::kSum, scale);
  return autograd::record(
      name, result, {&x},
      [shape = x.shape(), axis, scale](const Tensor& gradient, Gradients& gradients) {
        const Tensor scaled = scale == 1.0 ? gradient : gradient * scale;
        gradients.add(0, scaled.reshape(reduced(shape, axis, true)).expand(shape));
      });
}

// Whether broadcasting turns `shape` into `target`.
bool expands_to(const Shape& shape, const Shape& target) {
  const int added = target.rank() - shape.rank();
  if (added < 0) return false;
  for (int axis = 0; axis < shape.rank(); ++axis) {
    if (shape[axis] != 1 && shape[axis] != target[axis + added]) return false;
  }
  return true;
}

}  // namespace

Tensor sum(const Tensor& x) {
  require_defined("sum", {{"x", x}});
  return sum(x.reshape({x.elements()}), 0);
}
Tensor mean(const Tensor& x) {
  require_defined("mean", {{"x", x}});
  return mean(x.reshape({x.elements()}), 0);
}

Tensor sum(const Tensor& x, int axis, bool keep) { return scaled_sum("sum", x, axis, keep, false); }
Tensor mean(const Tensor& x, int axis, bool keep) {
  return scaled_sum("mean", x, axis, keep, true);
}

Tensor max(const Tensor& x, int axis_, bool keep) {
  require_defined("max", {{"x", x}});
  const int axis = x.shape().axis(axis_);
  const ReduceShape parts = split(x.shape(), axis);
  const Tensor from = x.dense();
  Tensor result(reduced(x.shape(), axis, keep), x.dtype(), x.device());
  reduce_into(result, from, parts, Reduction::kMax, 1.0);
  return autograd::record(
      "max", result, {&x},
      [from = Saved(from), out = Saved(result), parts](const Tensor& gradient,
                                                       Gradients& gradients) {
        Tensor back(from->shape(), from->dtype(), from->device());
        run({"max: gradient", {&back, &gradient, &*from, &*out}}, *from, [&]<typename T>(auto on) {
          kernels::reduce_max_backward(on, back.data<T>(), gradient.data<T>(), from->data<T>(),
                                       out->data<T>(), parts);
        });
        gradients.add(0, back);
      });
}

Tensor reduce_workspace(const Tensor& x, int64_t outer, int64_t axis, int64_t inner) {
  require_view("reduce_workspace", x, {outer, axis, inner});
  int64_t size = 0;
  run_on(x.device(), [&](auto on) { size = kernels::reduce_workspace(on, {outer, axis, inner}); });
  const DType dtype = x.dtype() == DType::float64 ? DType::float64 : DType::float32;
  return Tensor({size}, dtype, x.device());
}

void sum_rows_into(const Tensor& out, const Tensor& x, int64_t rows, bool accumulate) {
  require_defined("sum_rows_into", {{"out", out}});
  require_view("sum_rows_into", x, {rows, out.elements()});
  require_one_type("sum_rows_into", {{"out", out}, {"x", x}});
  for (const auto& [name, tensor] : Operands{{"out", out}, {"x", x}}) {
    if (!tensor.is_dense()) fail(fmt::format("sum_rows_into: {} is not dense; it must be", name));
  }
  if (out.elements() == 0) return;
  reduce_into(out, x, {1, rows, out.elements()}, Reduction::kSum, 1.0, accumulate);
}

Tensor sum_to(const Tensor& x, const Shape& shape) {
  require_defined("sum_to", {{"x", x}});
  if (x.shape() == shape) return x;
  if (!expands_to(shape, x.shape())) {
    fail("sum_to: x is " + to_string(x.shape()) + ", the shape is " + to_string(shape) +
         "; it must be one that broadcasting expands to x");
  }
  Tensor result = x;
  if (const int added = x.rank() - shape.rank(); added > 0) {
    // The outer axes that broadcasting added are summed as one axis.
    Shape folded = {split(x.shape(), added - 1).outer * x.shape()[added - 1]};
    for (int axis = added; axis < x.rank(); ++axis) folded.push_back(x.shape()[axis]);
    result = sum(x.reshape(folded), 0);
  }
  for (int axis = 0; axis < shape.rank(); ++axis) {
    if (shape[axis] == 1 && result.shape()[axis] != 1) result = sum(result, axis, true);
  }
  return result;
}

}  // namespace ripieno
