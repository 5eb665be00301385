// Upsampling (or downsampling) of images to another size by the nearest pixel or by bilinear
// interpolation, and its gradient.
//
// Images are planes (planes, height, width), dense: a plane is one channel of one image.
#pragma once

#include <cstdint>

#include "ripieno/kernels/execution.h"
#include "ripieno/kernels/formulas/upsample_formulas.h"

namespace ripieno::kernels {

// in: (planes, in_y, in_x); out: (planes, out_y, out_x).
template <typename T>
void upsample_forward(OnCpu, T* out, const T* in, const UpsampleShape& shape, Upsampling mode);
template <typename T>
void upsample_forward(OnCuda, T* out, const T* in, const UpsampleShape& shape, Upsampling mode);

// grad_in = the gradient of in (+ grad_in if `accumulate`).
template <typename T>
void upsample_backward(OnCpu, T* grad_in, const T* grad_out, const UpsampleShape& shape,
                       Upsampling mode, bool accumulate);
template <typename T>
void upsample_backward(OnCuda, T* grad_in, const T* grad_out, const UpsampleShape& shape,
                       Upsampling mode, bool accumulate);

}  // namespace ripieno::kernels
