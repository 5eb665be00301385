#include "ripieno/kernels/cuda/device/device.cuh"
#include "ripieno/kernels/upsample.h"

namespace ripieno::kernels {
namespace {

// One thread per element of out.
template <typename T>
__global__ void upsample_kernel(T* out, const T* in, UpsampleShape shape, Upsampling mode) {
  using A = accumulator_t<T>;
  const int64_t i = cuda::global_thread(), out_size = shape.out_y * shape.out_x;
  if (i >= shape.planes * out_size) return;
  const auto x = interpolation_of<A>(mode, shape.in_x, shape.out_x, i % shape.out_x);
  const auto y = interpolation_of<A>(mode, shape.in_y, shape.out_y, i / shape.out_x % shape.out_y);
  const T* const from = in + i / out_size * shape.in_y * shape.in_x;
  if (mode == Upsampling::kNearest) {
    out[i] = from[y.low * shape.in_x + x.low];
    return;
  }
  const T *const low = from + y.low * shape.in_x, *const high = from + y.high * shape.in_x;
  const A above =
      (A(1) - x.fraction) * cuda::widen(low[x.low]) + x.fraction * cuda::widen(low[x.high]);
  const A below =
      (A(1) - x.fraction) * cuda::widen(high[x.low]) + x.fraction * cuda::widen(high[x.high]);
  out[i] = cuda::narrow<T>((A(1) - y.fraction) * above + y.fraction * below);
}

// One thread per element of grad_in, which collects from the elements that were computed from it.
template <typename T>
__global__ void upsample_backward_kernel(T* grad_in, const T* grad_out, UpsampleShape shape,
                                         Upsampling mode, bool accumulate) {
  using A = accumulator_t<T>;
  const int64_t i = cuda::global_thread(), in_size = shape.in_y * shape.in_x;
  if (i >= shape.planes * in_size) return;
  const int64_t ix = i % shape.in_x, iy = i / shape.in_x % shape.in_y;
  const T* const gradient = grad_out + i / in_size * shape.out_y * shape.out_x;
  const UpsampleReaders x = readers_of(shape.in_x, shape.out_x, ix);
  const UpsampleReaders y = readers_of(shape.in_y, shape.out_y, iy);
  A sum = accumulate ? cuda::widen(grad_in[i]) : A(0);
  for (int64_t oy = y.begin; oy < y.end; ++oy) {
    const A of_y = interpolation_of<A>(mode, shape.in_y, shape.out_y, oy).weight_of(iy);
    if (of_y == A(0)) continue;
    for (int64_t ox = x.begin; ox < x.end; ++ox) {
      const A of_x = interpolation_of<A>(mode, shape.in_x, shape.out_x, ox).weight_of(ix);
      if (of_x != A(0)) sum += of_y * of_x * cuda::widen(gradient[oy * shape.out_x + ox]);
    }
  }
  grad_in[i] = cuda::narrow<T>(sum);
}

}  // namespace

template <typename T>
void upsample_forward(OnCuda on, T* out, const T* in, const UpsampleShape& shape, Upsampling mode) {
  cuda::launch(upsample_kernel<T>, cuda::thread_each(on, shape.planes * shape.out_y * shape.out_x),
               out, in, shape, mode);
}

template <typename T>
void upsample_backward(OnCuda on, T* grad_in, const T* grad_out, const UpsampleShape& shape,
                       Upsampling mode, bool accumulate) {
  cuda::launch(upsample_backward_kernel<T>,
               cuda::thread_each(on, shape.planes * shape.in_y * shape.in_x), grad_in, grad_out,
               shape, mode, accumulate);
}

template void upsample_forward(OnCuda, float*, const float*, const UpsampleShape&, Upsampling);
template void upsample_forward(OnCuda, double*, const double*, const UpsampleShape&, Upsampling);
template void upsample_forward(OnCuda, bfloat16*, const bfloat16*, const UpsampleShape&,
                               Upsampling);
template void upsample_forward(OnCuda, float16*, const float16*, const UpsampleShape&, Upsampling);

template void upsample_backward(OnCuda, float*, const float*, const UpsampleShape&, Upsampling,
                                bool);
template void upsample_backward(OnCuda, double*, const double*, const UpsampleShape&, Upsampling,
                                bool);
template void upsample_backward(OnCuda, bfloat16*, const bfloat16*, const UpsampleShape&,
                                Upsampling, bool);
template void upsample_backward(OnCuda, float16*, const float16*, const UpsampleShape&, Upsampling,
                                bool);

}  // namespace ripieno::kernels
