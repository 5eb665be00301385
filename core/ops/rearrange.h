// Rearranging elements: joining and dividing tensors, padding, reversing, repeating, windows.
//
// Tensors that are joined must have the same element type and device, and shapes that differ at
// most along the axis. Elements of any type are moved unchanged; all functions have gradients.
// Results are copies, also where nothing is moved, except for the views that are named so.
// Negative axes count from the end. Throws Error otherwise, naming the shapes.
#pragma once

#include <cstdint>
#include <vector>

#include "ripieno/core/tensor.h"

namespace ripieno {

// The tensors one after the other along an axis. At least one must be given.
Tensor concat(const std::vector<Tensor>& tensors, int axis = 0);
// The tensors, all of one shape, along a new axis.
Tensor stack(const std::vector<Tensor>& tensors, int axis = 0);

// Views of consecutive parts along an axis: of these sizes, which must add up to the axis; or of
// `size` elements each, the last of the rest.
std::vector<Tensor> split(const Tensor& x, const std::vector<int64_t>& sizes, int axis = 0);
std::vector<Tensor> split(const Tensor& x, int64_t size, int axis = 0);
// At most `count` parts of ceil(size / count) elements, the last of the rest, as in PyTorch.
std::vector<Tensor> chunk(const Tensor& x, int64_t count, int axis = 0);

// constant: with `value`; reflect: with the elements beside the edge, which is not repeated, so a
// width must be less than the size of its axis.
enum class Padding { constant, reflect };
// widths: before and after the last axis, then before and after the axis before it, and so on, as
// in PyTorch. They must not be negative.
Tensor pad(const Tensor& x, const std::vector<int64_t>& widths, Padding padding = Padding::constant,
           double value = 0.0);

// With the order of elements reversed along each of the axes.
Tensor flip(const Tensor& x, const Axes& axes);
// With each element `shift` places further along an axis; those beyond the end begin again.
Tensor roll(const Tensor& x, int64_t shift, int axis);
// x repeated counts[i] times along axis i; further counts in front add axes.
Tensor repeat(const Tensor& x, const std::vector<int64_t>& counts);

// A view of all windows of `size` elements along an axis, `step` apart: the axis counts windows,
// and a new last axis has the elements of each.
Tensor unfold(const Tensor& x, int axis, int64_t size, int64_t step);

inline Tensor permute(const Tensor& x, const Axes& axes) { return x.permute(axes); }
inline Tensor squeeze(const Tensor& x) { return x.squeeze(); }
inline Tensor squeeze(const Tensor& x, const Axes& axes) { return x.squeeze(axes); }
inline Tensor unsqueeze(const Tensor& x, int axis) { return x.unsqueeze(axis); }

// The lower triangle of the matrices in the last two axes, up to this diagonal, with zeros above;
// and the upper triangle from it on. Diagonal 1 is the one above the main diagonal.
Tensor tril(const Tensor& x, int64_t diagonal = 0);
Tensor triu(const Tensor& x, int64_t diagonal = 0);

}  // namespace ripieno
