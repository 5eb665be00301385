// Convolutions in float by a library (oneDNN), for some images on the calling thread. Private to
// kernels/cpu.
//
// Callers split the batch into chunks that do not depend on the number of threads, so results do
// not either.
#pragma once

#include "ripieno/kernels/convolution.h"

namespace ripieno::kernels::cpu {

// Whether the build has a library, and it is faster for this convolution.
bool library_convolves(const ConvolutionShape& shape);

// As convolution_forward() and the gradients, for shape.batch images on the calling thread;
// gradients overwrite.
void convolve_by_library(float* out, const float* in, const float* weight, const float* bias,
                         const ConvolutionShape& shape);
void convolve_input_gradient_by_library(float* grad_in, const float* grad_out, const float* weight,
                                        const ConvolutionShape& shape);
void convolve_weight_gradient_by_library(float* grad_weight, const float* grad_out, const float* in,
                                         const ConvolutionShape& shape);

}  // namespace ripieno::kernels::cpu
