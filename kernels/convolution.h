// Convolutions of images and their gradients, by implicit products: no matrix of patches is stored.
//
// Images are (batch, channels, height, width), dense; weights are (outputs, inputs / groups,
// kernel height, kernel width). Sequences are images of height 1.
#pragma once

#include <cstdint>

#include "ripieno/kernels/execution.h"

namespace ripieno::kernels {

// One spatial axis: out[o] reads in[o * stride - padding + k * dilation] for k in [0, kernel).
struct ConvolutionAxis {
  int64_t in = 1, out = 1, kernel = 1;
  int64_t stride = 1, padding = 0, dilation = 1;
};

struct ConvolutionShape {
  int64_t batch = 0;
  int64_t inputs = 0, outputs = 0;  // channels; both are multiples of groups
  int64_t groups = 1;
  ConvolutionAxis y = {}, x = {};

  constexpr int64_t group_inputs() const { return inputs / groups; }
  constexpr int64_t group_outputs() const { return outputs / groups; }
  constexpr int64_t taps() const { return y.kernel * x.kernel; }
  constexpr int64_t in_size() const { return y.in * x.in; }
  constexpr int64_t out_size() const { return y.out * x.out; }
  // Elements of the weight.
  constexpr int64_t weights() const { return outputs * group_inputs() * taps(); }
};

// out = the convolution of in and weight, plus bias.   in: (batch, inputs, y.in, x.in); out:
// (batch, outputs, y.out, x.out); bias: (outputs), or null.
template <typename T>
void convolution_forward(OnCpu, T* out, const T* in, const T* weight, const T* bias,
                         const ConvolutionShape& shape);
template <typename T>
void convolution_forward(OnCuda, T* out, const T* in, const T* weight, const T* bias,
                         const ConvolutionShape& shape);

// grad_in = the gradient of in (+ grad_in if `accumulate`).
template <typename T>
void convolution_input_gradient(OnCpu, T* grad_in, const T* grad_out, const T* weight,
                                const ConvolutionShape& shape, bool accumulate);
template <typename T>
void convolution_input_gradient(OnCuda, T* grad_in, const T* grad_out, const T* weight,
                                const ConvolutionShape& shape, bool accumulate);

// The number of floats (doubles for double) in the workspace of convolution_weight_gradient().
int64_t convolution_workspace(OnCpu, const ConvolutionShape& shape);
int64_t convolution_workspace(OnCuda, const ConvolutionShape& shape);  // 0

// grad_weight = the gradient of weight (+ grad_weight if `accumulate`). Images are summed in chunks
// whose number does not depend on the number of threads.
template <typename T>
void convolution_weight_gradient(OnCpu, T* grad_weight, void* workspace, const T* grad_out,
                                 const T* in, const ConvolutionShape& shape, bool accumulate);
template <typename T>
void convolution_weight_gradient(OnCuda, T* grad_weight, void* workspace, const T* grad_out,
                                 const T* in, const ConvolutionShape& shape, bool accumulate);

}  // namespace ripieno::kernels
