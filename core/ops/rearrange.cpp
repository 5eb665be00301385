#include "ripieno/core/ops/rearrange.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "ripieno/core/autograd.h"
#include "ripieno/core/operands.h"
#include "ripieno/core/ops/compare.h"
#include "ripieno/core/ops/indexing.h"
#include "ripieno/core/place.h"
#include "ripieno/kernels/elementwise.h"

namespace ripieno {
namespace {

using autograd::Gradients;

int axis_of(const char* operation, const Tensor& x, int axis) {
  return Axes(axis).of(x.shape(), operation)[0];
}

// Checks that the tensors can be joined along `axis`, or along a new one if it is -1; their number
// is not 0.
void check_joined(const char* operation, const std::vector<Tensor>& tensors, int axis) {
  const Tensor& first = tensors[0];
  for (std::size_t i = 1; i < tensors.size(); ++i) {
    const Tensor& other = tensors[i];
    bool matches = other.rank() == first.rank() && other.dtype() == first.dtype() &&
                   other.device() == first.device();
    for (int a = 0; matches && a < first.rank(); ++a) {
      matches = a == axis || other.shape()[a] == first.shape()[a];
    }
    if (matches) continue;
    const std::string shapes =
        axis < 0 ? "the same shape" : fmt::format("shapes that differ at most along axis {}", axis);
    fail(
        fmt::format("{}: tensor 0 is {}, tensor {} is {}; they must have the same type and device, "
                    "and {}",
                    operation, describe(first), i, describe(other), shapes));
  }
}

void require_tensors(const char* operation, const std::vector<Tensor>& tensors) {
  if (tensors.empty()) fail(fmt::format("{}: no tensor was given; give at least one", operation));
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (!tensors[i].defined()) fail(fmt::format("{}: tensor {} is undefined", operation, i));
  }
}

// The tensors along `axis`, not recorded.
Tensor joined(const std::vector<Tensor>& tensors, int axis) {
  const NoGrad no_grad;
  Shape shape = tensors[0].shape();
  shape[axis] = 0;
  for (const Tensor& x : tensors) shape[axis] += x.shape()[axis];
  Tensor result(shape, tensors[0].dtype(), tensors[0].device());
  int64_t begin = 0;
  for (const Tensor& x : tensors) {
    const int64_t end = begin + x.shape()[axis];
    result.slice(axis, begin, end).copy_from(x);
    begin = end;
  }
  return result;
}

}  // namespace

Tensor concat(const std::vector<Tensor>& tensors, int axis_) {
  require_tensors("concat", tensors);
  const int axis = axis_of("concat", tensors[0], axis_);
  check_joined("concat", tensors, axis);
  const Tensor result = joined(tensors, axis);
  std::vector<int64_t> sizes;
  for (const Tensor& x : tensors) sizes.push_back(x.shape()[axis]);
  autograd::record("concat", std::span(&result, 1), tensors,
                   [axis, sizes](std::span<Tensor> of_outputs, Gradients& gradients) {
                     int64_t begin = 0;
                     for (std::size_t i = 0; i < sizes.size(); ++i) {
                       const int64_t end = begin + sizes[i];
                       const int input = static_cast<int>(i);
                       if (gradients.wanted(input)) {
                         gradients.add(input, of_outputs[0].slice(axis, begin, end));
                       }
                       begin = end;
                     }
                   });
  return result;
}

Tensor stack(const std::vector<Tensor>& tensors, int axis_) {
  require_tensors("stack", tensors);
  const int rank = tensors[0].rank(), axis = axis_ < 0 ? axis_ + rank + 1 : axis_;
  if (axis < 0 || axis > rank) {
    fail(fmt::format("stack: axis {} cannot be inserted into {}; it must be from {} to {}", axis_,
                     to_string(tensors[0].shape()), -rank - 1, rank));
  }
  check_joined("stack", tensors, /*axis=*/-1);
  std::vector<Tensor> parts;
  for (const Tensor& x : tensors) parts.push_back(x.unsqueeze(axis));
  return concat(parts, axis);
}

std::vector<Tensor> split(const Tensor& x, const std::vector<int64_t>& sizes, int axis_) {
  require_defined("split", {{"x", x}});
  const int axis = axis_of("split", x, axis_);
  int64_t total = 0;
  for (const int64_t size : sizes) total += size;
  if (total != x.shape()[axis] ||
      std::any_of(sizes.begin(), sizes.end(), [](int64_t size) { return size < 0; })) {
    fail(
        fmt::format("split: sizes ({}) for axis {} of {}; they must not be negative, and add up to "
                    "{}",
                    fmt::join(sizes, ", "), axis, to_string(x.shape()), x.shape()[axis]));
  }
  std::vector<Tensor> parts;
  {
    const NoGrad no_grad;
    int64_t begin = 0;
    for (const int64_t size : sizes) {
      parts.push_back(x.slice(axis, begin, begin + size));
      begin += size;
    }
  }
  // One operation, because the gradient of each slice alone would have the size of x.
  autograd::record("split", parts, std::span(&x, 1),
                   [axis, sizes, whole = x.shape(), dtype = x.dtype(), device = x.device()](
                       std::span<Tensor> of_outputs, Gradients& gradients) {
                     std::vector<Tensor> all;
                     for (std::size_t i = 0; i < sizes.size(); ++i) {
                       Shape shape = whole;
                       shape[axis] = sizes[i];
                       all.push_back(of_outputs[i].defined() ? of_outputs[i]
                                                             : Tensor::zeros(shape, dtype, device));
                     }
                     gradients.add(0, joined(all, axis));
                   });
  return parts;
}

std::vector<Tensor> split(const Tensor& x, int64_t size, int axis_) {
  require_defined("split", {{"x", x}});
  const int axis = axis_of("split", x, axis_);
  if (size < 1) fail(fmt::format("split: the size is {}; it must be at least 1", size));
  std::vector<int64_t> sizes;
  for (int64_t rest = x.shape()[axis]; rest > 0; rest -= size) {
    sizes.push_back(std::min(size, rest));
  }
  if (sizes.empty()) sizes.push_back(0);
  return split(x, sizes, axis);
}

std::vector<Tensor> chunk(const Tensor& x, int64_t count, int axis_) {
  require_defined("chunk", {{"x", x}});
  const int axis = axis_of("chunk", x, axis_);
  if (count < 1) fail(fmt::format("chunk: the count is {}; it must be at least 1", count));
  return split(x, std::max<int64_t>(1, (x.shape()[axis] + count - 1) / count), axis);
}

namespace {

Tensor pad_with_value(const Tensor& x, const Shape& padded, const Shape& before, double value) {
  const auto inner = [before, shape = x.shape()](Tensor whole) {
    for (int axis = 0; axis < shape.rank(); ++axis) {
      whole = whole.slice(axis, before[axis], before[axis] + shape[axis]);
    }
    return whole;
  };
  Tensor result = Tensor::full(padded, value, x.dtype(), x.device());
  {
    const NoGrad no_grad;
    inner(result).copy_from(x);
  }
  return autograd::record(
      "pad", result, {&x},
      [inner](const Tensor& gradient, Gradients& gradients) { gradients.add(0, inner(gradient)); });
}

// The source of each element of a padded axis.
Tensor reflected(int64_t size, int64_t before, int64_t after, Device device) {
  std::vector<int64_t> index;
  for (int64_t i = -before; i < size + after; ++i) {
    index.push_back(i < 0 ? -i : i < size ? i : 2 * (size - 1) - i);
  }
  return Tensor::of({static_cast<int64_t>(index.size())}, index).to(device);
}

}  // namespace

Tensor pad(const Tensor& x, const std::vector<int64_t>& widths, Padding padding, double value) {
  require_defined("pad", {{"x", x}});
  const int rank = x.rank();
  const auto text = [&] {
    return fmt::format("pad: widths ({}) for x {}", fmt::join(widths, ", "), to_string(x.shape()));
  };
  if (widths.size() % 2 != 0 || widths.size() > 2 * static_cast<std::size_t>(rank)) {
    fail(text() +
         "; requires two widths for each axis, from the last, and no more axes than x has");
  }
  Shape before, padded = x.shape();
  for (int axis = 0; axis < rank; ++axis) before.push_back(0);
  std::vector<Tensor> sources(static_cast<std::size_t>(rank));
  for (std::size_t i = 0; i + 1 < widths.size(); i += 2) {
    const int axis = rank - 1 - static_cast<int>(i / 2);
    if (widths[i] < 0 || widths[i + 1] < 0) {
      fail(text() + "; they must not be negative, use slice() to remove elements");
    }
    const int64_t size = x.shape()[axis];
    if (padding == Padding::reflect &&
        std::max(widths[i], widths[i + 1]) >= std::max<int64_t>(size, 1)) {
      fail(text() + "; to reflect, a width must be less than the size of its axis");
    }
    before[axis] = widths[i];
    padded[axis] += widths[i] + widths[i + 1];
  }
  if (padding == Padding::constant) return pad_with_value(x, padded, before, value);
  Tensor result = x;
  for (int axis = 0; axis < rank; ++axis) {
    const int64_t size = x.shape()[axis], after = padded[axis] - size - before[axis];
    if (padded[axis] == size) continue;
    result = index_select(result, axis, reflected(size, before[axis], after, x.device()));
  }
  return padded == x.shape() ? x.clone() : result;
}

Tensor flip(const Tensor& x, const Axes& axes_) {
  require_defined("flip", {{"x", x}});
  const Axes axes = axes_.of(x.shape(), "flip");
  Tensor result(x.shape(), x.dtype(), x.device());
  if (x.elements() > 0) {
    // Reads with negative strides, from the last element along the axes.
    kernels::StridedShape strided;
    strided.rank = x.rank();
    int64_t last = 0;
    for (int axis = 0; axis < x.rank(); ++axis) {
      strided.sizes[axis] = x.shape()[axis];
      strided.strides_a[axis] = x.strides()[axis];
      if (!axes.contains(axis)) continue;
      last += (x.shape()[axis] - 1) * x.strides()[axis];
      strided.strides_a[axis] = -x.strides()[axis];
    }
    run_words({"flip", {&result, &x}, 0}, x, [&]<typename Word>(auto on) {
      kernels::copy_strided(on, static_cast<Word*>(result.raw_data()),
                            static_cast<const Word*>(x.raw_data()) + last, strided);
    });
  }
  return autograd::record("flip", result, {&x},
                          [axes](const Tensor& gradient, Gradients& gradients) {
                            gradients.add(0, flip(gradient, axes));
                          });
}

Tensor roll(const Tensor& x, int64_t shift, int axis_) {
  require_defined("roll", {{"x", x}});
  const int axis = axis_of("roll", x, axis_);
  const int64_t size = x.shape()[axis];
  if (size == 0) return x.clone();
  const int64_t first = ((-shift) % size + size) % size;  // the element that comes first
  if (first == 0) return x.clone();
  return concat({x.slice(axis, first, size), x.slice(axis, 0, first)}, axis);
}

Tensor repeat(const Tensor& x, const std::vector<int64_t>& counts) {
  require_defined("repeat", {{"x", x}});
  const int added = static_cast<int>(counts.size()) - x.rank();
  if (added < 0 || counts.size() > Shape::kMaxRank ||
      std::any_of(counts.begin(), counts.end(), [](int64_t count) { return count < 0; })) {
    fail(
        fmt::format("repeat: counts ({}) for x {}; requires a count, not negative, for each axis, "
                    "and at most {}",
                    fmt::join(counts, ", "), to_string(x.shape()), Shape::kMaxRank));
  }
  Tensor result = x;
  for (int i = 0; i < added; ++i) result = result.unsqueeze(0);
  for (int axis = 0; axis < result.rank(); ++axis) {
    const int64_t count = counts[static_cast<std::size_t>(axis)];
    if (count == 1) continue;
    Shape repeated = result.shape();
    int64_t outer = 1, inner = 1;
    for (int a = 0; a < axis; ++a) outer *= repeated[a];
    for (int a = axis; a < repeated.rank(); ++a) inner *= repeated[a];
    repeated[axis] *= count;
    result = result.reshape({outer, 1, inner}).expand({outer, count, inner}).reshape(repeated);
  }
  const bool is_view =
      std::all_of(counts.begin(), counts.end(), [](auto count) { return count == 1; });
  return is_view ? result.clone() : result;
}

namespace {

// The elements whose column minus row is less than, or at least, a number.
Tensor triangle(const char* operation, const Tensor& x, int64_t bound, bool below) {
  require_defined(operation, {{"x", x}});
  if (x.rank() < 2) {
    fail(fmt::format("{}: x is {}; requires matrices, so at least two axes", operation,
                     to_string(x.shape())));
  }
  const int64_t rows = x.size(-2), columns = x.size(-1);
  const Tensor row = Tensor::arange(rows, DType::int64, x.device()).reshape({rows, 1});
  const Tensor column =
      Tensor::arange(-bound, columns - bound, 1, DType::int64, x.device()).reshape({1, columns});
  const Tensor kept = below ? column < row : column >= row;
  return where(kept, x, 0.0);
}

}  // namespace

Tensor tril(const Tensor& x, int64_t diagonal) { return triangle("tril", x, diagonal + 1, true); }
Tensor triu(const Tensor& x, int64_t diagonal) { return triangle("triu", x, diagonal, false); }

}  // namespace ripieno
