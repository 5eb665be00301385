#include "ripieno/core/ops/indexing.h"

#include <fmt/format.h>

#include <limits>

#include "ripieno/core/autograd.h"
#include "ripieno/core/device_faults.h"
#include "ripieno/core/operands.h"
#include "ripieno/core/ops/broadcasting.h"
#include "ripieno/core/ops/compare.h"
#include "ripieno/core/place.h"
#include "ripieno/kernels/embedding.h"
#include "ripieno/kernels/indexing.h"

namespace ripieno {
namespace {

using autograd::Gradients;
using autograd::Saved;
using kernels::IndexLines;
using kernels::SelectShape;

// The index, dense and of type int64, whose elements are checked against `bound`.
Tensor checked_index(const char* name, IdOperation operation, const Tensor& index, int64_t bound) {
  if (index.dtype() != DType::int64 && index.dtype() != DType::int32) {
    fail(fmt::format("{}: index is {}; requires int64 or int32", name, describe(index)));
  }
  const Tensor dense = index.dense();
  if (dense.elements() > 0 && bound == 0) {
    fail(fmt::format("{}: index is {}, but the axis has no elements", name,
                     to_string(index.shape())));
  }
  if (dense.elements() > 0) require_known_ids(operation, dense, bound, /*exempt=*/0);
  return dense.to(DType::int64);
}

void check_shapes(const char* name, const Tensor& x, int axis, const Tensor& index) {
  require_one_device(name, {{"x", x}, {"index", index}});
  bool fits = index.rank() == x.rank();
  for (int a = 0; fits && a < x.rank(); ++a) {
    fits = a == axis || index.shape()[a] <= x.shape()[a];
  }
  if (fits) return;
  fail(
      fmt::format("{}: x is {}, index is {}; they must have the same rank, and index at most the "
                  "sizes of x except along axis {}",
                  name, to_string(x.shape()), to_string(index.shape()), axis));
}

// How a dense index of this shape addresses a dense target.
IndexLines lines_of(const Shape& target, int axis, const Shape& index) {
  const Shape of_index = dense_strides(index), of_target = dense_strides(target);
  IndexLines shape;
  shape.count = index[axis];
  shape.index_stride = of_index[axis];
  shape.target_stride = of_target[axis];
  shape.bound = target[axis];
  for (int a = 0; a < index.rank(); ++a) {
    if (a == axis) continue;
    const int to = shape.lines.rank++;
    shape.lines.sizes[to] = index[a];
    shape.lines.strides_a[to] = of_index[a];
    shape.lines.strides_b[to] = of_target[a];
    shape.number_of_lines *= index[a];
  }
  return shape;
}

void require_31_bits(const char* name, const Shape& shape) {
  if (shape.elements() <= std::numeric_limits<int32_t>::max()) return;
  fail(
      fmt::format("{}: the gradient of a tensor {} is not supported; it must have fewer than 2^31 "
                  "elements",
                  name, to_string(shape)));
}

// target[positions[i], :] += rows[i, :], dense, in a fixed order.   target: (count, channels)
void add_rows(const char* name, const Tensor& target, int64_t channels, const Tensor& positions,
              const Tensor& rows) {
  const kernels::EmbeddingShape shape{positions.elements(),
                                      target.elements() / std::max<int64_t>(channels, 1), channels};
  if (rows.elements() == 0) return;
  run({name, {&target, &target, &rows, &positions}, rows.elements()}, target,
      [&]<typename T>(auto on) {
        const auto bytes = kernels::embedding_workspace_bytes<T>(on, shape);
        const Tensor workspace({static_cast<int64_t>(bytes)}, DType::uint8, target.device());
        kernels::embedding_backward(on, target.data<T>(), workspace.raw_data(), rows.data<T>(),
                                    positions.data<int32_t>(), shape, /*accumulate=*/true);
      });
}

// target += source at the places that the index addresses.
void add_at(const char* name, const Tensor& target, int axis, const Tensor& index,
            const Tensor& source) {
  require_31_bits(name, target.shape());
  const Tensor positions(index.shape(), DType::int32, index.device());
  run_on({name, {&positions, &index}}, index.device(), [&](auto on) {
    kernels::target_positions(on, positions.data<int32_t>(), index.data<int64_t>(),
                              lines_of(target.shape(), axis, index.shape()));
  });
  add_rows(name, target, 1, positions, source.dense());
}

Tensor gathered(const Tensor& x, int axis, const Tensor& index) {
  Tensor result(index.shape(), x.dtype(), x.device());
  run_words({"gather", {&result, &result, &index}, 0}, x, [&]<typename Word>(auto on) {
    kernels::gather(on, static_cast<Word*>(result.raw_data()),
                    static_cast<const Word*>(x.raw_data()), index.data<int64_t>(),
                    lines_of(x.shape(), axis, index.shape()));
  });
  return result;
}

// Writes source to target at the places that the index addresses.
void scatter_into(const Tensor& target, int axis, const Tensor& index, const Tensor& source) {
  run_words({"scatter", {&source, &source, &index}, 0}, target, [&]<typename Word>(auto on) {
    kernels::scatter(on, static_cast<Word*>(target.raw_data()),
                     static_cast<const Word*>(source.raw_data()), index.data<int64_t>(),
                     lines_of(target.shape(), axis, index.shape()));
  });
}

void check_source(const char* name, const Tensor& x, const Tensor& index, const Tensor& source) {
  require_one_type(name, {{"x", x}, {"source", source}});
  if (source.shape() == index.shape()) return;
  fail(fmt::format("{}: index is {}, source is {}; the shapes must match", name,
                   to_string(index.shape()), to_string(source.shape())));
}

SelectShape select_shape(const Shape& shape, int axis, int64_t count) {
  SelectShape result;
  for (int a = 0; a < shape.rank(); ++a) {
    (a < axis ? result.outer : a == axis ? result.axis : result.inner) *= shape[a];
  }
  result.count = count;
  return result;
}

}  // namespace

Tensor gather(const Tensor& x_, int axis_, const Tensor& index_) {
  require_defined("gather", {{"x", x_}, {"index", index_}});
  const int axis = Axes(axis_).of(x_.shape(), "gather")[0];
  check_shapes("gather", x_, axis, index_);
  const Tensor index = checked_index("gather", IdOperation::gather, index_, x_.shape()[axis]);
  const Tensor x = x_.dense();
  return autograd::record("gather", gathered(x, axis, index), {&x},
                          [index = Saved(index), axis, shape = x.shape()](const Tensor& gradient,
                                                                          Gradients& gradients) {
                            const Tensor back =
                                Tensor::zeros(shape, gradient.dtype(), gradient.device());
                            add_at("gather: gradient", back, axis, *index, gradient);
                            gradients.add(0, back);
                          });
}

Tensor scatter(const Tensor& x, int axis_, const Tensor& index_, const Tensor& source) {
  require_defined("scatter", {{"x", x}, {"index", index_}, {"source", source}});
  const int axis = Axes(axis_).of(x.shape(), "scatter")[0];
  check_shapes("scatter", x, axis, index_);
  check_source("scatter", x, index_, source);
  const Tensor index = checked_index("scatter", IdOperation::scatter, index_, x.shape()[axis]);
  Tensor result;
  {
    const NoGrad no_grad;
    result = x.clone();
    scatter_into(result, axis, index, source.dense());
  }
  return autograd::record(
      "scatter", result, {&x, &source},
      [index = Saved(index), axis](const Tensor& gradient, Gradients& gradients) {
        if (gradients.wanted(0)) {
          const Tensor back = gradient.clone();
          scatter_into(back, axis, *index,
                       Tensor::zeros(index->shape(), gradient.dtype(), gradient.device()));
          gradients.add(0, back);
        }
        if (!gradients.wanted(1)) return;
        // Only the element that was written has a gradient: of those with one index, the last. Each
        // place holds the number of the element that was written to it.
        Tensor numbers = Tensor::arange(index->elements(), DType::int64, index->device());
        numbers = numbers.reshape(index->shape());
        const Tensor written = Tensor::full(gradient.shape(), -1.0, DType::int64, index->device());
        scatter_into(written, axis, *index, numbers);
        const Tensor counts = gathered(written, axis, *index) == numbers;
        gradients.add(1, where(counts, gathered(gradient.dense(), axis, *index), 0.0));
      });
}

Tensor scatter_add(const Tensor& x, int axis_, const Tensor& index_, const Tensor& source) {
  require_defined("scatter_add", {{"x", x}, {"index", index_}, {"source", source}});
  require_floating_point("scatter_add", x);
  const int axis = Axes(axis_).of(x.shape(), "scatter_add")[0];
  check_shapes("scatter_add", x, axis, index_);
  check_source("scatter_add", x, index_, source);
  require_31_bits("scatter_add", x.shape());
  const Tensor index =
      checked_index("scatter_add", IdOperation::scatter_add, index_, x.shape()[axis]);
  Tensor result;
  {
    const NoGrad no_grad;
    result = x.clone();
    add_at("scatter_add", result, axis, index, source);
  }
  return autograd::record(
      "scatter_add", result, {&x, &source},
      [index = Saved(index), axis](const Tensor& gradient, Gradients& gradients) {
        if (gradients.wanted(0)) gradients.add(0, gradient);
        if (gradients.wanted(1)) gradients.add(1, gathered(gradient.dense(), axis, *index));
      });
}

Tensor index_select(const Tensor& x_, int axis_, const Tensor& index_) {
  require_defined("index_select", {{"x", x_}, {"index", index_}});
  require_one_device("index_select", {{"x", x_}, {"index", index_}});
  const int axis = Axes(axis_).of(x_.shape(), "index_select")[0];
  if (index_.rank() != 1) {
    fail(fmt::format("index_select: index is {}; requires one axis", to_string(index_.shape())));
  }
  const Tensor index =
      checked_index("index_select", IdOperation::index_select, index_, x_.shape()[axis]);
  const Tensor x = x_.dense();
  Shape shape = x.shape();
  shape[axis] = index.elements();
  const SelectShape sizes = select_shape(x.shape(), axis, index.elements());
  Tensor result(shape, x.dtype(), x.device());
  if (result.elements() > 0) {
    run_words({"index_select", {&result, &result, &index}, 0}, x, [&]<typename Word>(auto on) {
      kernels::index_select(on, static_cast<Word*>(result.raw_data()),
                            static_cast<const Word*>(x.raw_data()), index.data<int64_t>(), sizes);
    });
  }
  return autograd::record(
      "index_select", result, {&x},
      [index = Saved(index), sizes, before = x.shape()](const Tensor& gradient,
                                                        Gradients& gradients) {
        require_31_bits("index_select", before);
        const Tensor back = Tensor::zeros(before, gradient.dtype(), gradient.device());
        const Tensor positions({sizes.outer * sizes.count}, DType::int32, index->device());
        run_on({"index_select: gradient", {&positions, &*index}}, index->device(), [&](auto on) {
          kernels::select_positions(on, positions.data<int32_t>(), index->data<int64_t>(), sizes);
        });
        add_rows("index_select: gradient", back, sizes.inner, positions, gradient.dense());
        gradients.add(0, back);
      });
}

Tensor one_hot(const Tensor& index_, int64_t classes, DType dtype) {
  require_defined("one_hot", {{"index", index_}});
  if (classes < 1) {
    fail(fmt::format("one_hot: the number of classes is {}; it must be at least 1", classes));
  }
  const Tensor index = checked_index("one_hot", IdOperation::one_hot, index_, classes);
  return (index.unsqueeze(-1) == Tensor::arange(classes, DType::int64, index.device())).to(dtype);
}

}  // namespace ripieno
