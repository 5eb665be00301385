// Views: tensors with other shapes over the same memory. The gradient of a view is a view or a sum.
#include <fmt/format.h>

#include "ripieno/core/autograd.h"
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

Tensor Tensor::slice(int axis_, int64_t begin, int64_t end) const {
  const int axis = shape().axis(axis_);
  if (begin < 0 || begin > end || end > shape()[axis]) {
    fail(fmt::format("slice: [{}, {}) is outside axis {} of {}", begin, end, axis,
                     to_string(shape())));
  }
  Shape part = shape();
  part[axis] = end - begin;
  return autograd::record(
      "slice", view(*this, begin * strides()[axis], part, strides()), {this},
      [whole = shape(), axis, begin, end](const Tensor& gradient, Gradients& gradients) {
        Tensor spread = Tensor::zeros(whole, gradient.dtype(), gradient.device());
        spread.slice(axis, begin, end).copy_from(gradient);
        gradients.add(0, spread);
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

}  // namespace ripieno
