#include "ripieno/kernels/channel_norm.h"
#include "ripieno/kernels/cuda/device/device.cuh"

namespace ripieno::kernels {
namespace {

// What a plane is multiplied by and added to.
template <typename T>
struct PlaneNorm {
  using A = accumulator_t<T>;
  A mean, inverse, weight, bias;

  __device__ PlaneNorm(const ChannelNormArguments<T>& norm, int64_t plane) {
    const int64_t statistic = norm.shape.statistic_of(plane), channel = plane % norm.shape.channels;
    mean = static_cast<A>(norm.mean[statistic]);
    inverse = static_cast<A>(norm.inverse_deviation[statistic]);
    weight = norm.weight ? cuda::widen(norm.weight[channel]) : A(1);
    bias = norm.bias ? cuda::widen(norm.bias[channel]) : A(0);
  }
  __device__ A normalized(T x) const { return (cuda::widen(x) - mean) * inverse; }
};

// The sum of term(i) for i in [0, size), in all lanes of a warp.
template <typename Term>
__device__ double warp_sum(int64_t size, Term term) {
  double sum = 0;
  for (int64_t i = cuda::lane(); i < size; i += cuda::kWarpSize) {
    sum += static_cast<double>(term(i));
  }
  return cuda::warp_reduce(sum, cuda::Sum{});
}

// One warp per plane.
template <typename T>
__global__ void plane_sums_kernel(double* sums, const T* in, ChannelNormShape shape) {
  const int64_t plane = cuda::global_warp();
  if (plane >= shape.planes()) return;
  const T* const x = in + plane * shape.size;
  const double sum = warp_sum(shape.size, [x](int64_t i) { return cuda::widen(x[i]); });
  if (cuda::lane() == 0) sums[plane] = sum;
}

// One warp per plane.
template <typename T>
__global__ void plane_squares_kernel(double* sums, const T* in, const double* mean,
                                     ChannelNormShape shape) {
  using A = accumulator_t<T>;
  const int64_t plane = cuda::global_warp();
  if (plane >= shape.planes()) return;
  const T* const x = in + plane * shape.size;
  const A center = static_cast<A>(mean[shape.statistic_of(plane)]);
  const double sum = warp_sum(shape.size, [x, center](int64_t i) {
    const A difference = cuda::widen(x[i]) - center;
    return difference * difference;
  });
  if (cuda::lane() == 0) sums[plane] = sum;
}

// One thread per element.
template <typename T>
__global__ void channel_norm_kernel(T* out, ChannelNormArguments<T> norm) {
  const int64_t i = cuda::global_thread();
  if (i >= norm.shape.planes() * norm.shape.size) return;
  const PlaneNorm<T> of(norm, i / norm.shape.size);
  out[i] = cuda::narrow<T>(of.normalized(norm.in[i]) * of.weight + of.bias);
}

// One warp per plane.
template <typename T>
__global__ void channel_norm_gradient_sums_kernel(double* of_gradient, double* of_product,
                                                  const T* grad_out, ChannelNormArguments<T> norm) {
  const int64_t plane = cuda::global_warp(), size = norm.shape.size;
  if (plane >= norm.shape.planes()) return;
  const PlaneNorm<T> of(norm, plane);
  const T *const x = norm.in + plane * size, *const gradient = grad_out + plane * size;
  const double sum = warp_sum(size, [&](int64_t i) { return cuda::widen(gradient[i]); });
  const double product =
      warp_sum(size, [&](int64_t i) { return cuda::widen(gradient[i]) * of.normalized(x[i]); });
  if (cuda::lane() != 0) return;
  of_gradient[plane] = sum;
  of_product[plane] = product;
}

// One thread per element.
template <typename T>
__global__ void channel_norm_backward_kernel(T* grad_in, const T* grad_out,
                                             const double* mean_gradient,
                                             const double* mean_product,
                                             ChannelNormArguments<T> norm, bool accumulate) {
  using A = accumulator_t<T>;
  const int64_t i = cuda::global_thread();
  if (i >= norm.shape.planes() * norm.shape.size) return;
  const int64_t plane = i / norm.shape.size, statistic = norm.shape.statistic_of(plane);
  const PlaneNorm<T> of(norm, plane);
  const A shift = mean_gradient ? static_cast<A>(mean_gradient[statistic]) : A(0);
  const A slope = mean_product ? static_cast<A>(mean_product[statistic]) : A(0);
  const A to_in = of.inverse * (cuda::widen(grad_out[i]) * of.weight - shift -
                                of.normalized(norm.in[i]) * slope);
  grad_in[i] = cuda::narrow<T>(accumulate ? cuda::widen(grad_in[i]) + to_in : to_in);
}

}  // namespace

template <typename T>
void plane_sums(OnCuda on, double* sums, const T* in, const ChannelNormShape& shape) {
  cuda::launch(plane_sums_kernel<T>, cuda::warp_each(on, shape.planes()), sums, in, shape);
}

template <typename T>
void plane_squares(OnCuda on, double* sums, const T* in, const double* mean,
                   const ChannelNormShape& shape) {
  cuda::launch(plane_squares_kernel<T>, cuda::warp_each(on, shape.planes()), sums, in, mean, shape);
}

template <typename T>
void channel_norm_forward(OnCuda on, T* out, const ChannelNormArguments<T>& norm) {
  cuda::launch(channel_norm_kernel<T>, cuda::thread_each(on, norm.shape.planes() * norm.shape.size),
               out, norm);
}

template <typename T>
void channel_norm_gradient_sums(OnCuda on, double* of_gradient, double* of_product,
                                const T* grad_out, const ChannelNormArguments<T>& norm) {
  cuda::launch(channel_norm_gradient_sums_kernel<T>, cuda::warp_each(on, norm.shape.planes()),
               of_gradient, of_product, grad_out, norm);
}

template <typename T>
void channel_norm_backward(OnCuda on, T* grad_in, const T* grad_out, const double* mean_gradient,
                           const double* mean_product, const ChannelNormArguments<T>& norm,
                           bool accumulate) {
  cuda::launch(channel_norm_backward_kernel<T>,
               cuda::thread_each(on, norm.shape.planes() * norm.shape.size), grad_in, grad_out,
               mean_gradient, mean_product, norm, accumulate);
}

template void plane_sums(OnCuda, double*, const float*, const ChannelNormShape&);
template void plane_sums(OnCuda, double*, const double*, const ChannelNormShape&);
template void plane_sums(OnCuda, double*, const bfloat16*, const ChannelNormShape&);
template void plane_sums(OnCuda, double*, const float16*, const ChannelNormShape&);

template void plane_squares(OnCuda, double*, const float*, const double*, const ChannelNormShape&);
template void plane_squares(OnCuda, double*, const double*, const double*, const ChannelNormShape&);
template void plane_squares(OnCuda, double*, const bfloat16*, const double*,
                            const ChannelNormShape&);
template void plane_squares(OnCuda, double*, const float16*, const double*,
                            const ChannelNormShape&);

template void channel_norm_forward(OnCuda, float*, const ChannelNormArguments<float>&);
template void channel_norm_forward(OnCuda, double*, const ChannelNormArguments<double>&);
template void channel_norm_forward(OnCuda, bfloat16*, const ChannelNormArguments<bfloat16>&);
template void channel_norm_forward(OnCuda, float16*, const ChannelNormArguments<float16>&);

template void channel_norm_gradient_sums(OnCuda, double*, double*, const float*,
                                         const ChannelNormArguments<float>&);
template void channel_norm_gradient_sums(OnCuda, double*, double*, const double*,
                                         const ChannelNormArguments<double>&);
template void channel_norm_gradient_sums(OnCuda, double*, double*, const bfloat16*,
                                         const ChannelNormArguments<bfloat16>&);
template void channel_norm_gradient_sums(OnCuda, double*, double*, const float16*,
                                         const ChannelNormArguments<float16>&);

template void channel_norm_backward(OnCuda, float*, const float*, const double*, const double*,
                                    const ChannelNormArguments<float>&, bool);
template void channel_norm_backward(OnCuda, double*, const double*, const double*, const double*,
                                    const ChannelNormArguments<double>&, bool);
template void channel_norm_backward(OnCuda, bfloat16*, const bfloat16*, const double*,
                                    const double*, const ChannelNormArguments<bfloat16>&, bool);
template void channel_norm_backward(OnCuda, float16*, const float16*, const double*, const double*,
                                    const ChannelNormArguments<float16>&, bool);

}  // namespace ripieno::kernels
