#include "ripieno/core/ops/reduce.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "ripieno/core/autograd.h"
#include "ripieno/core/operands.h"
#include "ripieno/core/ops/arithmetic.h"
#include "ripieno/core/ops/broadcasting.h"
#include "ripieno/core/ops/compare.h"
#include "ripieno/core/ops/functions.h"
#include "ripieno/core/place.h"
#include "ripieno/kernels/order.h"
#include "ripieno/kernels/reduce.h"

namespace ripieno {
namespace {

using autograd::Gradients;
using autograd::Saved;
using kernels::IntegerReduction;
using kernels::ReduceShape;
using kernels::Reduction;
using kernels::Summand;

// What is reduced: x, dense, viewed as (outer, axis, inner), and the shapes of the result.
struct Reduced {
  Tensor from;
  ReduceShape shape;
  Shape kept;    // with size 1 for the reduced axes
  Shape result;  // kept, or without those axes
};

// x viewed as (outer, axis, inner).
ReduceShape split(const Shape& shape, int first, int last) {
  ReduceShape result;
  for (int i = 0; i < shape.rank(); ++i) {
    (i < first ? result.outer : i <= last ? result.axis : result.inner) *= shape[i];
  }
  return result;
}

Shape shape_of(const Shape& shape, const Axes& axes, bool keep) {
  Shape result;
  for (int i = 0; i < shape.rank(); ++i) {
    if (!axes.contains(i))
      result.push_back(shape[i]);
    else if (keep)
      result.push_back(1);
  }
  return result;
}

// Axes that are not adjacent are moved to the end first, which copies x.
Reduced reduced(const char* name, const Tensor& x, const Axes& axes_, bool keep) {
  require_defined(name, {{"x", x}});
  const Axes axes = axes_.of(x.shape(), name);
  const NoGrad no_grad;
  Reduced result{Tensor(), {}, shape_of(x.shape(), axes, true), shape_of(x.shape(), axes, keep)};
  if (axes.empty()) {
    result.from = x.dense();
    result.shape = {x.elements(), 1, 1};
    return result;
  }
  const int first = *std::min_element(axes.begin(), axes.end());
  const int last = *std::max_element(axes.begin(), axes.end());
  if (last - first + 1 == axes.size()) {
    result.from = x.dense();
    result.shape = split(x.shape(), first, last);
    return result;
  }
  std::vector<int> order;
  for (int axis = 0; axis < x.rank(); ++axis) {
    if (!axes.contains(axis)) order.push_back(axis);
  }
  const int outer_rank = static_cast<int>(order.size());
  for (int axis = 0; axis < x.rank(); ++axis) {
    if (axes.contains(axis)) order.push_back(axis);
  }
  result.from = x.permute(Axes(std::span<const int>(order))).dense();
  result.shape = split(result.from.shape(), outer_rank, x.rank() - 1);
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

// The gradient of Reduced::from as one of x: undoes the move of axes that were not adjacent.
Tensor moved_back(const Tensor& back, const Shape& shape, const Axes& axes) {
  if (back.shape() == shape) {
    const bool was_moved = !axes.empty() && *std::max_element(axes.begin(), axes.end()) -
                                                    *std::min_element(axes.begin(), axes.end()) +
                                                    1 !=
                                                axes.size();
    if (!was_moved) return back;
  }
  int place[Shape::kMaxRank] = {};
  int next = 0;
  for (const bool moved : {false, true}) {
    for (int axis = 0; axis < shape.rank(); ++axis) {
      if (axes.contains(axis) == moved) place[axis] = next++;
    }
  }
  return back.permute(Axes(std::span<const int>(place, static_cast<std::size_t>(shape.rank()))));
}

// The result of a reduction of floating-point elements; not recorded.
Tensor reduce(const Reduced& parts, Reduction reduction, double scale = 1.0) {
  Tensor result(parts.result, parts.from.dtype(), parts.from.device());
  if (result.elements() > 0) reduce_into(result, parts.from, parts.shape, reduction, scale);
  return result;
}

Tensor reduce_integers(const char* name, const Tensor& x, const Axes& axes, bool keep,
                       IntegerReduction reduction) {
  const Reduced parts = reduced(name, x.to(DType::int64), axes, keep);
  Tensor result(parts.result, DType::int64, x.device());
  if (result.elements() == 0) return result;
  run_on({name, {&result, &parts.from}, parts.from.elements()}, x.device(), [&](auto on) {
    kernels::reduce_integers(on, result.data<int64_t>(), parts.from.data<int64_t>(), parts.shape,
                             reduction);
  });
  return result;
}

Tensor scaled_sum(const char* name, const Tensor& x, const Axes& axes, bool keep, bool mean) {
  const Reduced parts = reduced(name, x, axes, keep);
  const double scale = mean ? 1.0 / static_cast<double>(parts.shape.axis) : 1.0;
  // Over no elements: 0 for a sum, 0 * infinity for a mean.
  return autograd::record(
      name, reduce(parts, Reduction::kSum, scale), {&x},
      [shape = x.shape(), kept = parts.kept, scale](const Tensor& gradient, Gradients& gradients) {
        const Tensor scaled = scale == 1.0 ? gradient : gradient * scale;
        gradients.add(0, scaled.reshape(kept).expand(shape));
      });
}

Tensor extreme(const char* name, const Tensor& x, const Axes& axes, bool keep,
               Reduction reduction) {
  require_defined(name, {{"x", x}});
  if (reduced(name, x.detach(), axes, keep).shape.axis == 0) {
    fail(
        fmt::format("{}: x is {}, reduced over axes {}; there must be at least one element to "
                    "reduce",
                    name, to_string(x.shape()), to_string(axes)));
  }
  if (are_integers(x)) {
    const auto of_integers =
        reduction == Reduction::kMax ? IntegerReduction::kMaximum : IntegerReduction::kMinimum;
    return reduce_integers(name, x, axes, keep, of_integers);
  }
  const Reduced parts = reduced(name, x, axes, keep);
  const Tensor result = reduce(parts, reduction);
  return autograd::record(
      name, result, {&x},
      [from = Saved(parts.from), out = Saved(result), parts = parts.shape, shape = x.shape(), name,
       given = axes.of(x.shape(), name)](const Tensor& gradient, Gradients& gradients) {
        Tensor back(from->shape(), from->dtype(), from->device());
        run({name, {&back, &gradient, &*from, &*out}}, *from, [&]<typename T>(auto on) {
          kernels::reduce_max_backward(on, back.data<T>(), gradient.data<T>(), from->data<T>(),
                                       out->data<T>(), parts);
        });
        gradients.add(0, moved_back(back, shape, given));
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

namespace {

// x with one axis, for reductions of all elements.
Tensor flattened(const char* name, const Tensor& x) {
  require_defined(name, {{"x", x}});
  return x.reshape({x.elements()});
}

// The sum of summand(x - center) over the reduced axes; not recorded. float32 or float64.
Tensor sum_of(const char* name, const Reduced& parts, const Tensor& center, Summand summand,
              double p = 0.0) {
  Tensor result(parts.kept, parts.from.dtype(), parts.from.device());
  if (result.elements() == 0) return result;
  run({name, {&result, &parts.from}, parts.from.elements()}, parts.from, [&]<typename T>(auto on) {
    if constexpr (std::is_same_v<T, float> || std::is_same_v<T, double>) {
      kernels::sum_of(on, result.data<T>(), parts.from.data<T>(),
                      center.defined() ? center.data<T>() : nullptr, parts.shape, summand, p);
    }
  });
  return result;
}

Tensor variance(const char* name, const Tensor& x, const Axes& axes, double correction, bool keep,
                bool root) {
  require_defined(name, {{"x", x}});
  require_floating_point(name, x);
  if (size_of(x.dtype()) == 2) {
    return variance(name, x.to(DType::float32), axes, correction, keep, root).to(x.dtype());
  }
  const Reduced parts = reduced(name, x, axes, keep);
  const auto count = static_cast<double>(parts.shape.axis);
  const double freedom = std::max(count - correction, 0.0);
  Tensor result, center;
  {
    const NoGrad no_grad;
    center = mean(x, axes, /*keep=*/true);
    result = sum_of(name, parts, center.dense(), Summand::kSquare) / freedom;
    if (root) result = sqrt(result);
    result = result.reshape(parts.result);
  }
  return autograd::record(
      name, result, {&x},
      [x = Saved(x), center = Saved(center), out = Saved(result), kept = parts.kept, freedom, root](
          const Tensor& gradient, Gradients& gradients) {
        // Of the root: half of the variance's, divided by the root; 0 where the root is 0.
        const Tensor of_variance = root ? where(*out == 0.0, 0.0, gradient / *out * 0.5) : gradient;
        gradients.add(0, (*x - *center) * (of_variance.reshape(kept) * (2.0 / freedom)));
      });
}

}  // namespace

Tensor sum(const Tensor& x) { return sum(flattened("sum", x), 0); }
Tensor mean(const Tensor& x) { return mean(flattened("mean", x), 0); }
Tensor product(const Tensor& x) { return product(flattened("product", x), 0); }
Tensor max(const Tensor& x) { return max(flattened("max", x), 0); }
Tensor min(const Tensor& x) { return min(flattened("min", x), 0); }
Tensor var(const Tensor& x) { return var(flattened("var", x), 0); }
Tensor standard_deviation(const Tensor& x) {
  return standard_deviation(flattened("standard_deviation", x), 0);
}
Tensor norm(const Tensor& x) { return norm(flattened("norm", x), 0); }
Tensor any(const Tensor& x) { return any(flattened("any", x), 0); }
Tensor all(const Tensor& x) { return all(flattened("all", x), 0); }

Tensor sum(const Tensor& x, const Axes& axes, bool keep) {
  if (are_integers(x)) return reduce_integers("sum", x, axes, keep, IntegerReduction::kSum);
  return scaled_sum("sum", x, axes, keep, false);
}
Tensor mean(const Tensor& x, const Axes& axes, bool keep) {
  require_defined("mean", {{"x", x}});
  require_floating_point("mean", x);
  return scaled_sum("mean", x, axes, keep, true);
}

Tensor product(const Tensor& x, const Axes& axes, bool keep) {
  if (are_integers(x)) {
    return reduce_integers("product", x, axes, keep, IntegerReduction::kProduct);
  }
  const Reduced parts = reduced("product", x, axes, keep);
  return autograd::record(
      "product", reduce(parts, Reduction::kProduct), {&x},
      [from = Saved(parts.from), parts = parts.shape, shape = x.shape(),
       given = axes.of(x.shape(), "product")](const Tensor& gradient, Gradients& gradients) {
        Tensor back(from->shape(), from->dtype(), from->device());
        run({"product: gradient", {&back, &gradient, &*from}}, *from, [&]<typename T>(auto on) {
          kernels::reduce_product_backward(on, back.data<T>(), gradient.data<T>(), from->data<T>(),
                                           parts);
        });
        gradients.add(0, moved_back(back, shape, given));
      });
}

Tensor max(const Tensor& x, const Axes& axes, bool keep) {
  return extreme("max", x, axes, keep, Reduction::kMax);
}
Tensor min(const Tensor& x, const Axes& axes, bool keep) {
  return extreme("min", x, axes, keep, Reduction::kMin);
}

Tensor var(const Tensor& x, const Axes& axes, double correction, bool keep) {
  return variance("var", x, axes, correction, keep, false);
}
Tensor standard_deviation(const Tensor& x, const Axes& axes, double correction, bool keep) {
  return variance("standard_deviation", x, axes, correction, keep, true);
}

Tensor norm(const Tensor& x, const Axes& axes, double p, bool keep) {
  require_defined("norm", {{"x", x}});
  require_floating_point("norm", x);
  if (!(p > 0.0)) fail(fmt::format("norm: p is {}; it must be positive", p));
  if (size_of(x.dtype()) == 2) return norm(x.to(DType::float32), axes, p, keep).to(x.dtype());
  if (std::isinf(p)) {
    const Reduced parts = reduced("norm", x.detach(), axes, keep);
    if (parts.shape.axis > 0) return max(abs(x), axes, keep);
    return sum(abs(x), axes, keep);
  }
  const Reduced parts = reduced("norm", x, axes, keep);
  Tensor result;
  {
    const NoGrad no_grad;
    const Summand summand = p == 1.0   ? Summand::kMagnitude
                            : p == 2.0 ? Summand::kSquare
                                       : Summand::kPower;
    result = sum_of("norm", parts, {}, summand, p);
    if (p == 2.0) {
      result = sqrt(result);
    } else if (p != 1.0) {
      result = pow(result, 1.0 / p);
    }
    result = result.reshape(parts.result);
  }
  return autograd::record("norm", result, {&x},
                          [x = Saved(x), out = Saved(result), kept = parts.kept, p](
                              const Tensor& gradient, Gradients& gradients) {
                            // d norm / dx = sign(x) (|x| / norm)^(p - 1), and 0 where the norm is
                            // 0.
                            const Tensor of_norm = gradient.reshape(kept);
                            if (p == 1.0) return gradients.add(0, sign(*x) * of_norm);
                            const Tensor length = out->reshape(kept);
                            const Tensor share = *x / where(length == 0.0, 1.0, length);
                            if (p == 2.0) return gradients.add(0, share * of_norm);
                            // For p < 1 the power of 0 is infinite.
                            const Tensor power = pow(abs(share), p - 1.0);
                            gradients.add(0, where(share == 0.0, 0.0, sign(*x) * power) * of_norm);
                          });
}

Tensor logsumexp(const Tensor& x, const Axes& axes, bool keep) {
  require_defined("logsumexp", {{"x", x}});
  require_floating_point("logsumexp", x);
  if (size_of(x.dtype()) == 2) return logsumexp(x.to(DType::float32), axes, keep).to(x.dtype());
  const Reduced parts = reduced("logsumexp", x, axes, keep);
  Tensor result;
  {
    const NoGrad no_grad;
    Reduced maxima = parts;
    maxima.result = parts.kept;
    const Tensor largest = reduce(maxima, Reduction::kMax);
    const Tensor center = where(isfinite(largest), largest, 0.0);
    result =
        (log(sum_of("logsumexp", parts, center, Summand::kExp)) + center).reshape(parts.result);
  }
  return autograd::record("logsumexp", result, {&x},
                          [x = Saved(x), out = Saved(result), kept = parts.kept](
                              const Tensor& gradient, Gradients& gradients) {
                            const Tensor shares = exp(*x - out->reshape(kept));
                            gradients.add(0, shares * gradient.reshape(kept));
                          });
}

Tensor any(const Tensor& x, const Axes& axes, bool keep) {
  require_defined("any", {{"x", x}});
  return reduce_integers("any", x != 0.0, axes, keep, IntegerReduction::kSum) != 0.0;
}
Tensor all(const Tensor& x, const Axes& axes, bool keep) {
  require_defined("all", {{"x", x}});
  return reduce_integers("all", x == 0.0, axes, keep, IntegerReduction::kSum) == 0.0;
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
    Shape folded = {split(x.shape(), added, added).outer};
    for (int axis = added; axis < x.rank(); ++axis) folded.push_back(x.shape()[axis]);
    result = sum(x.reshape(folded), 0);
  }
  for (int axis = 0; axis < shape.rank(); ++axis) {
    if (shape[axis] == 1 && result.shape()[axis] != 1) result = sum(result, axis, true);
  }
  return result;
}

}  // namespace ripieno
