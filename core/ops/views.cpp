// Views: tensors with other shapes over the same memory. The gradient of a view is a view or a sum.
#include <fmt/format.h>

#include <vector>

#include "ripieno/core/autograd.h"
#include "ripieno/core/operands.h"
#include "ripieno/core/ops/arithmetic.h"
#include "ripieno/core/ops/rearrange.h"
#include "ripieno/core/ops/reduce.h"
#include "ripieno/core/tensor_implementation.h"

namespace ripieno {
namespace {

using autograd::Gradients;

Tensor view(const Tensor& x, int64_t offset, const Shape& shape, const Shape& strides) {
  TensorImplementation& from = x.implementation();
  from.require_memory();
  return tensor_over(from.storage, from.offset + offset, shape, strides, from.dtype);
}

// `wanted` with its -1, if there is one, inferred.
Shape inferred(const Shape& wanted, const Tensor& x) {
  Shape result = wanted;
  int open = -1;
  for (int axis = 0; axis < wanted.rank(); ++axis) {
    if (wanted[axis] >= 0) continue;
    if (wanted[axis] != -1 || open != -1)
      fail("reshape: only one size may be -1, and no other may be negative, got " +
           to_string(wanted));
    open = axis;
    result[axis] = 1;
  }
  if (open >= 0) {
    const int64_t known = result.elements();
    if (known == 0)
      fail("reshape: cannot infer -1 in " + to_string(wanted) + ", which has no elements");
    result[open] = x.elements() / known;
  }
  if (result.elements() != x.elements()) {
    fail("reshape: cannot reshape " + to_string(x.shape()) + " to " + to_string(wanted) +
         "; the numbers of elements must match");
  }
  return result;
}

}  // namespace

Tensor Tensor::reshape(const Shape& wanted) const {
  const Shape shape = inferred(wanted, *this);
  if (!is_dense()) return dense().reshape(shape);
  return autograd::record("reshape", view(*this, 0, shape, dense_strides(shape)), {this},
                          [before = this->shape()](const Tensor& gradient, Gradients& gradients) {
                            gradients.add(0, gradient.reshape(before));
                          });
}

Tensor Tensor::slice(int axis_, int64_t begin, int64_t end, int64_t step) const {
  const int axis = shape().axis(axis_);
  if (begin < 0 || begin > end || end > shape()[axis]) {
    fail(fmt::format("slice: [{}, {}) is outside axis {} of {}", begin, end, axis,
                     to_string(shape())));
  }
  if (step < 1) fail(fmt::format("slice: the step is {}; it must be at least 1", step));
  Shape part = shape(), steps = strides();
  part[axis] = begin == end ? 0 : (end - begin - 1) / step + 1;
  if (part[axis] > 1) steps[axis] *= step;
  return autograd::record(
      "slice", view(*this, begin * strides()[axis], part, steps), {this},
      [whole = shape(), axis, begin, end, step](const Tensor& gradient, Gradients& gradients) {
        Tensor spread = Tensor::zeros(whole, gradient.dtype(), gradient.device());
        spread.slice(axis, begin, end, step).copy_from(gradient);
        gradients.add(0, spread);
      });
}

Tensor Tensor::operator[](int64_t index) const {
  if (rank() == 0) fail("x[index]: x is a scalar; it has no axis to index");
  const int64_t size = shape()[0], counted = index < 0 ? index + size : index;
  if (counted < 0 || counted >= size) {
    fail(fmt::format("x[index]: the index is {}, x is {}; indices are from {} to {}", index,
                     to_string(shape()), -size, size - 1));
  }
  return slice(0, counted, counted + 1).squeeze(0);
}

Tensor Tensor::permute(const Axes& axes_) const {
  const Axes axes = axes_.of(shape(), "permute");
  if (axes.size() != rank()) {
    fail(fmt::format("permute: the axes are {}, x is {}; every axis must be given once",
                     to_string(axes_), to_string(shape())));
  }
  Shape sizes = shape(), steps = strides();
  int back[Shape::kMaxRank] = {};
  for (int i = 0; i < axes.size(); ++i) {
    sizes[i] = shape()[axes[i]];
    steps[i] = strides()[axes[i]];
    back[axes[i]] = i;
  }
  const Axes inverse(std::span<const int>(back, static_cast<std::size_t>(axes.size())));
  return autograd::record("permute", view(*this, 0, sizes, steps), {this},
                          [inverse](const Tensor& gradient, Gradients& gradients) {
                            gradients.add(0, gradient.permute(inverse));
                          });
}

Tensor Tensor::squeeze() const {
  std::vector<int> axes;
  for (int axis = 0; axis < rank(); ++axis) {
    if (shape()[axis] == 1) axes.push_back(axis);
  }
  return squeeze(Axes(std::span<const int>(axes)));
}

Tensor Tensor::squeeze(const Axes& axes_) const {
  const Axes axes = axes_.of(shape(), "squeeze");
  Shape sizes, steps;
  for (int axis = 0; axis < rank(); ++axis) {
    if (!axes.contains(axis)) {
      sizes.push_back(shape()[axis]);
      steps.push_back(strides()[axis]);
    } else if (shape()[axis] != 1) {
      fail(fmt::format("squeeze: axis {} of {} has size {}; only axes of size 1 can be removed",
                       axis, to_string(shape()), shape()[axis]));
    }
  }
  return autograd::record("squeeze", view(*this, 0, sizes, steps), {this},
                          [before = shape()](const Tensor& gradient, Gradients& gradients) {
                            gradients.add(0, gradient.reshape(before));
                          });
}

Tensor Tensor::unsqueeze(int axis_) const {
  const int axis = axis_ < 0 ? axis_ + rank() + 1 : axis_;
  if (axis < 0 || axis > rank()) {
    fail(fmt::format("unsqueeze: axis {} cannot be inserted into {}; it must be from {} to {}",
                     axis_, to_string(shape()), -rank() - 1, rank()));
  }
  Shape sizes, steps;
  for (int i = 0; i <= rank(); ++i) {
    if (i == axis) {
      sizes.push_back(1);
      steps.push_back(1);
    }
    if (i == rank()) break;
    sizes.push_back(shape()[i]);
    steps.push_back(strides()[i]);
  }
  return autograd::record("unsqueeze", view(*this, 0, sizes, steps), {this},
                          [before = shape()](const Tensor& gradient, Gradients& gradients) {
                            gradients.add(0, gradient.reshape(before));
                          });
}

Tensor Tensor::transpose(int a_, int b_) const {
  const int a = shape().axis(a_), b = shape().axis(b_);
  Shape sizes = shape(), steps = strides();
  std::swap(sizes[a], sizes[b]);
  std::swap(steps[a], steps[b]);
  return autograd::record("transpose", view(*this, 0, sizes, steps), {this},
                          [a, b](const Tensor& gradient, Gradients& gradients) {
                            gradients.add(0, gradient.transpose(a, b));
                          });
}

Tensor Tensor::expand(const Shape& wanted) const {
  const int added = wanted.rank() - rank();
  Shape steps = wanted;
  for (int axis = 0; axis < wanted.rank(); ++axis) {
    const int from = axis - added;
    const bool repeats = from < 0 || (shape()[from] == 1 && wanted[axis] != 1);
    if (added < 0 || (!repeats && shape()[from] != wanted[axis])) {
      fail("expand: cannot expand " + to_string(shape()) + " to " + to_string(wanted));
    }
    steps[axis] = repeats ? 0 : strides()[from];
  }
  if (added < 0) fail("expand: cannot expand " + to_string(shape()) + " to " + to_string(wanted));
  return autograd::record("expand", view(*this, 0, wanted, steps), {this},
                          [before = shape()](const Tensor& gradient, Gradients& gradients) {
                            gradients.add(0, sum_to(gradient, before));
                          });
}

Tensor unfold(const Tensor& x, int axis_, int64_t size, int64_t step) {
  require_defined("unfold", {{"x", x}});
  const int axis = Axes(axis_).of(x.shape(), "unfold")[0];
  const int64_t length = x.shape()[axis];
  if (size < 1 || size > length || step < 1) {
    fail(
        fmt::format("unfold: size {} and step {} for axis {} of {}; the size must be from 1 to {}, "
                    "and the step at least 1",
                    size, step, axis, to_string(x.shape()), length));
  }
  Shape sizes = x.shape(), steps = x.strides();
  const int64_t windows = (length - size) / step + 1;
  sizes[axis] = windows;
  if (windows > 1) steps[axis] *= step;
  sizes.push_back(size);
  steps.push_back(x.strides()[axis]);
  return autograd::record(
      "unfold", view(x, 0, sizes, steps), {&x},
      [whole = x.shape(), axis, size, step, windows](const Tensor& gradient, Gradients& gradients) {
        Tensor back = Tensor::zeros(whole, gradient.dtype(), gradient.device());
        for (int64_t k = 0; k < size; ++k) {
          const Tensor part = back.slice(axis, k, k + step * (windows - 1) + 1, step);
          const Tensor of_k = gradient.slice(-1, k, k + 1).squeeze(-1);
          part.detach().copy_from(part + of_k);
        }
        gradients.add(0, back);
      });
}

}  // namespace ripieno
