// Maximum and average pooling over windows of images, with fixed or adaptive windows, and their
// gradients.
//
// Images are planes (planes, height, width), dense: a plane is one channel of one image.
#pragma once

#include <cstdint>

#include "ripieno/kernels/execution.h"

namespace ripieno::kernels {

// One spatial axis. Window o reads in[o * stride - padding + k * dilation] for k in [0, kernel),
// or, if adaptive, in[o * in / out] up to in[ceil((o + 1) * in / out)].
struct PoolAxis {
  int64_t in = 1, out = 1, kernel = 1;
  int64_t stride = 1, padding = 0, dilation = 1;
  bool adaptive = false;
};

struct PoolShape {
  int64_t planes = 0;
  PoolAxis y = {}, x = {};
  bool count_padding = true;  // whether averages divide by the padded elements of a window, too

  constexpr int64_t in_size() const { return y.in * x.in; }
  constexpr int64_t out_size() const { return y.out * x.out; }
};

// out = the maximum of each window; NaN is larger than any number. indices: its first position in
// the plane; -1, and out is -infinity, if a dilated window reads padding only.   in: (planes, y.in,
// x.in); out, indices: (planes, y.out, x.out).
template <typename T>
void max_pool_forward(OnCpu, T* out, int32_t* indices, const T* in, const PoolShape& shape);
template <typename T>
void max_pool_forward(OnCuda, T* out, int32_t* indices, const T* in, const PoolShape& shape);

// grad_in = the sum of grad_out over the windows whose maximum is this element (+ grad_in if
// `accumulate`).
template <typename T>
void max_pool_backward(OnCpu, T* grad_in, const T* grad_out, const int32_t* indices,
                       const PoolShape& shape, bool accumulate);
template <typename T>
void max_pool_backward(OnCuda, T* grad_in, const T* grad_out, const int32_t* indices,
                       const PoolShape& shape, bool accumulate);

// out = the sum of each window divided by the number of its elements. Ignores dilation.
template <typename T>
void average_pool_forward(OnCpu, T* out, const T* in, const PoolShape& shape);
template <typename T>
void average_pool_forward(OnCuda, T* out, const T* in, const PoolShape& shape);

template <typename T>
void average_pool_backward(OnCpu, T* grad_in, const T* grad_out, const PoolShape& shape,
                           bool accumulate);
template <typename T>
void average_pool_backward(OnCuda, T* grad_in, const T* grad_out, const PoolShape& shape,
                           bool accumulate);

}  // namespace ripieno::kernels
