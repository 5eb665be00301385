#include "ripieno/core/ops/order.h"

#include <fmt/format.h>

#include "ripieno/core/autograd.h"
#include "ripieno/core/operands.h"
#include "ripieno/core/ops/indexing.h"
#include "ripieno/core/place.h"
#include "ripieno/kernels/order.h"

namespace ripieno {
namespace {

using autograd::Gradients;
using autograd::Saved;
using kernels::ReduceShape;

void require_ordered(const char* name, const Tensor& x) {
  require_defined(name, {{"x", x}});
  if (x.dtype() != DType::boolean) return;
  fail(fmt::format("{}: x is {}; convert it with to(DType::uint8)", name, describe(x)));
}

// Calls op.operator()<T>(on) for every type but bool.
template <typename Op>
void run_ordered(const Work& work, const Tensor& x, const Op& op) {
  run_any(work, x, [&]<typename T>(auto on) {
    if constexpr (!std::is_same_v<T, bool>) op.template operator()<T>(on);
  });
}

ReduceShape around(const Shape& shape, int axis) {
  ReduceShape result;
  for (int i = 0; i < shape.rank(); ++i) {
    (i < axis ? result.outer : i == axis ? result.axis : result.inner) *= shape[i];
  }
  return result;
}

// Along the last axis of a dense tensor.
Sorted sorted_rows(const Tensor& x, bool descending) {
  const int64_t cols = x.size(-1), rows = cols == 0 ? 0 : x.elements() / cols;
  Sorted result{Tensor(x.shape(), x.dtype(), x.device()),
                Tensor(x.shape(), DType::int64, x.device())};
  if (x.elements() == 0) return result;
  run_ordered({"sort", {&result.values, &result.indices, &x}}, x, [&]<typename T>(auto on) {
    const auto bytes = kernels::sort_rows_workspace<T>(on, rows, cols);
    const Tensor workspace({static_cast<int64_t>(bytes)}, DType::uint8, x.device());
    kernels::sort_rows(on, result.values.data<T>(), result.indices.data<int64_t>(),
                       workspace.raw_data(), x.data<T>(), rows, cols, descending);
  });
  return result;
}

Sorted sorted(const char* name, const Tensor& x, int axis_, bool descending, int64_t count) {
  require_ordered(name, x);
  const int axis = Axes(axis_).of(x.shape(), name)[0];
  if (count > x.shape()[axis] || count < -1) {
    fail(fmt::format("{}: the count is {}, axis {} of {} has {} elements; it must be from 0 to {}",
                     name, count, axis, to_string(x.shape()), x.shape()[axis], x.shape()[axis]));
  }
  Sorted result;
  {
    const NoGrad no_grad;
    const Sorted rows = sorted_rows(x.transpose(axis, -1).dense(), descending);
    const int64_t taken = count < 0 ? x.shape()[axis] : count;
    const auto part = [&](const Tensor& all) {
      return all.slice(-1, 0, taken).transpose(axis, -1).clone();
    };
    result = {part(rows.values), part(rows.indices)};
  }
  autograd::record(name, std::span(&result.values, 1), std::span(&x, 1),
                   [indices = Saved(result.indices), axis, shape = x.shape()](
                       std::span<Tensor> of_outputs, Gradients& gradients) {
                     const Tensor& gradient = of_outputs[0];
                     const Tensor zero = Tensor::zeros(shape, gradient.dtype(), gradient.device());
                     gradients.add(0, scatter(zero, axis, *indices, gradient));
                   });
  return result;
}

Tensor argument(const char* name, const Tensor& x, int axis_, bool keep, bool least) {
  require_ordered(name, x);
  const int axis = Axes(axis_).of(x.shape(), name)[0];
  if (x.shape()[axis] == 0) {
    fail(fmt::format("{}: axis {} of {} has no elements; it must have at least one", name, axis,
                     to_string(x.shape())));
  }
  const NoGrad no_grad;
  const Tensor from = x.dense();
  Shape shape = x.shape();
  shape[axis] = 1;
  Tensor result(shape, DType::int64, x.device());
  run_ordered({name, {&result, &from}, from.elements()}, from, [&]<typename T>(auto on) {
    kernels::argument_of_extreme(on, result.data<int64_t>(), from.data<T>(),
                                 around(x.shape(), axis), least);
  });
  return keep ? result : result.squeeze(axis);
}

Tensor accumulated(const Tensor& x, int axis, bool reverse) {
  const Tensor from = x.dense();
  Tensor result(x.shape(), x.dtype(), x.device());
  run_any({"cumsum", {&result, &from}, from.elements()}, from, [&]<typename T>(auto on) {
    if constexpr (!std::is_integral_v<T> || std::is_same_v<T, int64_t>) {
      kernels::cumulative_sum(on, result.data<T>(), from.data<T>(), around(x.shape(), axis),
                              reverse);
    }
  });
  return result;
}

}  // namespace

Sorted sort(const Tensor& x, int axis, bool descending) {
  return sorted("sort", x, axis, descending, -1);
}
Tensor argsort(const Tensor& x, int axis, bool descending) {
  const NoGrad no_grad;
  return sorted("argsort", x, axis, descending, -1).indices;
}
Sorted top_k(const Tensor& x, int64_t count, int axis, bool largest) {
  if (count < 0) fail(fmt::format("top_k: the count is {}; it must not be negative", count));
  return sorted("top_k", x, axis, largest, count);
}

Tensor argmax(const Tensor& x, int axis, bool keep) {
  return argument("argmax", x, axis, keep, false);
}
Tensor argmin(const Tensor& x, int axis, bool keep) {
  return argument("argmin", x, axis, keep, true);
}
Tensor argmax(const Tensor& x) {
  require_ordered("argmax", x);
  return argument("argmax", x.detach().flatten(), 0, false, false);
}
Tensor argmin(const Tensor& x) {
  require_ordered("argmin", x);
  return argument("argmin", x.detach().flatten(), 0, false, true);
}

Tensor cumsum(const Tensor& x, int axis_) {
  require_defined("cumsum", {{"x", x}});
  const int axis = Axes(axis_).of(x.shape(), "cumsum")[0];
  if (!is_floating_point(x.dtype())) return accumulated(x.to(DType::int64), axis, false);
  return autograd::record("cumsum", accumulated(x, axis, false), {&x},
                          [axis](const Tensor& gradient, Gradients& gradients) {
                            gradients.add(0, accumulated(gradient, axis, true));
                          });
}

}  // namespace ripieno
