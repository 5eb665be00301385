// In place of convolution_onednn.cpp in a build without oneDNN.
#include "ripieno/kernels/cpu/gemm/convolution_library.h"

namespace ripieno::kernels::cpu {

bool library_convolves(const ConvolutionShape&) { return false; }

void convolve_by_library(float*, const float*, const float*, const float*,
                         const ConvolutionShape&) {}
void convolve_input_gradient_by_library(float*, const float*, const float*,
                                        const ConvolutionShape&) {}
void convolve_weight_gradient_by_library(float*, const float*, const float*,
                                         const ConvolutionShape&) {}

}  // namespace ripieno::kernels::cpu
