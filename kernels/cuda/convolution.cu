#include "ripieno/kernels/convolution.h"
#include "ripieno/kernels/cuda/device/device.cuh"

namespace ripieno::kernels {
namespace {

// The index that `out` reads through tap `k`, or -1 for one outside.
__device__ int64_t read_index(const ConvolutionAxis& axis, int64_t out, int64_t k) {
  const int64_t at = out * axis.stride - axis.padding + k * axis.dilation;
  return at >= 0 && at < axis.in ? at : -1;
}

// The index that reads `in` through tap `k`, or -1 if there is none.
__device__ int64_t reader_index(const ConvolutionAxis& axis, int64_t in, int64_t k) {
  const int64_t at = in + axis.padding - k * axis.dilation;
  return at >= 0 && at % axis.stride == 0 && at / axis.stride < axis.out ? at / axis.stride : -1;
}

// One thread per element of out.
template <typename T>
__global__ void convolution_forward_kernel(T* out, const T* in, const T* weight, const T* bias,
                                           ConvolutionShape shape) {
  using A = accumulator_t<T>;
  const int64_t i = cuda::global_thread();
  if (i >= shape.batch * shape.outputs * shape.out_size()) return;
  const int64_t ox = i % shape.x.out, oy = i / shape.x.out % shape.y.out;
  const int64_t output = i / shape.out_size() % shape.outputs;
  const int64_t image = i / shape.out_size() / shape.outputs;
  const int64_t channels = shape.group_inputs();
  const int64_t first = output / shape.group_outputs() * channels;
  const T* const x = in + (image * shape.inputs + first) * shape.in_size();
  const T* w = weight + output * channels * shape.taps();
  A sum = bias ? cuda::widen(bias[output]) : A(0);
  for (int64_t c = 0; c < channels; ++c) {
    for (int64_t ky = 0; ky < shape.y.kernel; ++ky) {
      const int64_t y = read_index(shape.y, oy, ky);
      for (int64_t kx = 0; kx < shape.x.kernel; ++kx, ++w) {
        const int64_t at = read_index(shape.x, ox, kx);
        if (y < 0 || at < 0) continue;
        sum += cuda::widen(*w) * cuda::widen(x[c * shape.in_size() + y * shape.x.in + at]);
      }
    }
  }
  out[i] = cuda::narrow<T>(sum);
}

// One thread per element of grad_in, which collects what read it.
template <typename T>
__global__ void convolution_input_gradient_kernel(T* grad_in, const T* grad_out, const T* weight,
                                                  ConvolutionShape shape, bool accumulate) {
  using A = accumulator_t<T>;
  const int64_t i = cuda::global_thread();
  if (i >= shape.batch * shape.inputs * shape.in_size()) return;
  const int64_t x = i % shape.x.in, y = i / shape.x.in % shape.y.in;
  const int64_t input = i / shape.in_size() % shape.inputs;
  const int64_t image = i / shape.in_size() / shape.inputs;
  const int64_t channels = shape.group_inputs(), outputs = shape.group_outputs();
  const int64_t first = input / channels * outputs;
  A sum = A(0);
  for (int64_t o = first; o < first + outputs; ++o) {
    const T* w = weight + (o * channels + input % channels) * shape.taps();
    const T* const gradient = grad_out + (image * shape.outputs + o) * shape.out_size();
    for (int64_t ky = 0; ky < shape.y.kernel; ++ky) {
      const int64_t oy = reader_index(shape.y, y, ky);
      for (int64_t kx = 0; kx < shape.x.kernel; ++kx, ++w) {
        const int64_t ox = reader_index(shape.x, x, kx);
        if (oy < 0 || ox < 0) continue;
        sum += cuda::widen(*w) * cuda::widen(gradient[oy * shape.x.out + ox]);
      }
    }
  }
  grad_in[i] = cuda::narrow<T>(accumulate ? cuda::widen(grad_in[i]) + sum : sum);
}

// One block per weight, whose threads read every 256th position of all images.
template <typename T>
__global__ void convolution_weight_gradient_kernel(T* grad_weight, const T* grad_out, const T* in,
                                                   ConvolutionShape shape, bool accumulate) {
  using A = accumulator_t<T>;
  const int64_t i = blockIdx.x;
  const int64_t kx = i % shape.x.kernel, ky = i / shape.x.kernel % shape.y.kernel;
  const int64_t channel = i / shape.taps() % shape.group_inputs();
  const int64_t output = i / shape.taps() / shape.group_inputs();
  const int64_t input = output / shape.group_outputs() * shape.group_inputs() + channel;
  A sum = A(0);
  for (int64_t p = threadIdx.x; p < shape.batch * shape.out_size(); p += blockDim.x) {
    const int64_t image = p / shape.out_size(), position = p % shape.out_size();
    const int64_t y = read_index(shape.y, position / shape.x.out, ky);
    const int64_t x = read_index(shape.x, position % shape.x.out, kx);
    if (y < 0 || x < 0) continue;
    sum += cuda::widen(grad_out[(image * shape.outputs + output) * shape.out_size() + position]) *
           cuda::widen(in[(image * shape.inputs + input) * shape.in_size() + y * shape.x.in + x]);
  }
  sum = cuda::block_reduce(sum, cuda::Sum{});
  if (threadIdx.x == 0) {
    grad_weight[i] = cuda::narrow<T>(accumulate ? cuda::widen(grad_weight[i]) + sum : sum);
  }
}

}  // namespace

template <typename T>
void convolution_forward(OnCuda on, T* out, const T* in, const T* weight, const T* bias,
                         const ConvolutionShape& shape) {
  const int64_t size = shape.batch * shape.outputs * shape.out_size();
  cuda::launch(convolution_forward_kernel<T>, cuda::thread_each(on, size), out, in, weight, bias,
               shape);
}

template <typename T>
void convolution_input_gradient(OnCuda on, T* grad_in, const T* grad_out, const T* weight,
                                const ConvolutionShape& shape, bool accumulate) {
  const int64_t size = shape.batch * shape.inputs * shape.in_size();
  cuda::launch(convolution_input_gradient_kernel<T>, cuda::thread_each(on, size), grad_in, grad_out,
               weight, shape, accumulate);
}

int64_t convolution_workspace(OnCuda, const ConvolutionShape&) { return 0; }

template <typename T>
void convolution_weight_gradient(OnCuda on, T* grad_weight, void*, const T* grad_out, const T* in,
                                 const ConvolutionShape& shape, bool accumulate) {
  cuda::launch(convolution_weight_gradient_kernel<T>, cuda::block_each(on, shape.weights()),
               grad_weight, grad_out, in, shape, accumulate);
}

template void convolution_forward(OnCuda, float*, const float*, const float*, const float*,
                                  const ConvolutionShape&);
template void convolution_forward(OnCuda, double*, const double*, const double*, const double*,
                                  const ConvolutionShape&);
template void convolution_forward(OnCuda, bfloat16*, const bfloat16*, const bfloat16*,
                                  const bfloat16*, const ConvolutionShape&);
template void convolution_forward(OnCuda, float16*, const float16*, const float16*, const float16*,
                                  const ConvolutionShape&);

template void convolution_input_gradient(OnCuda, float*, const float*, const float*,
                                         const ConvolutionShape&, bool);
template void convolution_input_gradient(OnCuda, double*, const double*, const double*,
                                         const ConvolutionShape&, bool);
template void convolution_input_gradient(OnCuda, bfloat16*, const bfloat16*, const bfloat16*,
                                         const ConvolutionShape&, bool);
template void convolution_input_gradient(OnCuda, float16*, const float16*, const float16*,
                                         const ConvolutionShape&, bool);

template void convolution_weight_gradient(OnCuda, float*, void*, const float*, const float*,
                                          const ConvolutionShape&, bool);
template void convolution_weight_gradient(OnCuda, double*, void*, const double*, const double*,
                                          const ConvolutionShape&, bool);
template void convolution_weight_gradient(OnCuda, bfloat16*, void*, const bfloat16*,
                                          const bfloat16*, const ConvolutionShape&, bool);
template void convolution_weight_gradient(OnCuda, float16*, void*, const float16*, const float16*,
                                          const ConvolutionShape&, bool);

}  // namespace ripieno::kernels
