// Maximum and average pooling over windows of images, with fixed or adaptive windows, and their
// gradients.
//
// Images are planes (planes, height, width), dense: a plane is one channel of one image.
#pragma once

#include <cstdint>

#include "ripieno/kernels/execution.h"
#include "ripieno/kernels/formulas/pooling_formulas.h"

namespace ripieno::kernels {

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
