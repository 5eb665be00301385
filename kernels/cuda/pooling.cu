#include "ripieno/kernels/cuda/device/device.cuh"
#include "ripieno/kernels/pooling.h"

namespace ripieno::kernels {
namespace {

// One thread per window.
template <typename T>
__global__ void max_pool_kernel(T* out, int32_t* indices, const T* in, PoolShape shape) {
  using A = accumulator_t<T>;
  const int64_t i = cuda::global_thread();
  if (i >= shape.planes * shape.out_size()) return;
  const PoolWindow x = window_of(shape.x, i % shape.x.out);
  const PoolWindow y = window_of(shape.y, i / shape.x.out % shape.y.out);
  const T* const from = in + i / shape.out_size() * shape.in_size();
  int64_t best = is_empty(y, x) ? -1 : y.begin * shape.x.in + x.begin;
  A largest = cuda::kLowest<A>;
  for (int64_t iy = y.begin; iy < y.end; iy += y.step) {
    for (int64_t ix = x.begin; ix < x.end; ix += x.step) {
      const int64_t at = iy * shape.x.in + ix;
      const A value = cuda::widen(from[at]);
      if (!(value > largest) && (value == value || largest != largest)) continue;
      largest = value;
      best = at;
    }
  }
  out[i] = best < 0 ? cuda::narrow<T>(largest) : from[best];
  indices[i] = static_cast<int32_t>(best);
}

// One thread per element of grad_in, which asks the windows that read it.
template <typename T>
__global__ void max_pool_backward_kernel(T* grad_in, const T* grad_out, const int32_t* indices,
                                         PoolShape shape, bool accumulate) {
  using A = accumulator_t<T>;
  const int64_t i = cuda::global_thread();
  if (i >= shape.planes * shape.in_size()) return;
  const int64_t position = i % shape.in_size(), first = i / shape.in_size() * shape.out_size();
  const PoolReaders x = readers_of(shape.x, position % shape.x.in);
  const PoolReaders y = readers_of(shape.y, position / shape.x.in);
  A sum = accumulate ? cuda::widen(grad_in[i]) : A(0);
  for (int64_t oy = y.begin; oy < y.end; ++oy) {
    for (int64_t ox = x.begin; ox < x.end; ++ox) {
      const int64_t window = first + oy * shape.x.out + ox;
      if (indices[window] == position) sum += cuda::widen(grad_out[window]);
    }
  }
  grad_in[i] = cuda::narrow<T>(sum);
}

// One thread per window.
template <typename T>
__global__ void average_pool_kernel(T* out, const T* in, PoolShape shape) {
  using A = accumulator_t<T>;
  const int64_t i = cuda::global_thread();
  if (i >= shape.planes * shape.out_size()) return;
  const PoolWindow x = window_of(shape.x, i % shape.x.out);
  const PoolWindow y = window_of(shape.y, i / shape.x.out % shape.y.out);
  const T* const from = in + i / shape.out_size() * shape.in_size();
  A sum = A(0);
  for (int64_t iy = y.begin; iy < y.end; ++iy) {
    for (int64_t ix = x.begin; ix < x.end; ++ix) sum += cuda::widen(from[iy * shape.x.in + ix]);
  }
  out[i] = cuda::narrow<T>(sum / static_cast<A>(divisor_of(shape, y, x)));
}

// One thread per element of grad_in, which collects from the windows that read it.
template <typename T>
__global__ void average_pool_backward_kernel(T* grad_in, const T* grad_out, PoolShape shape,
                                             bool accumulate) {
  using A = accumulator_t<T>;
  const int64_t i = cuda::global_thread();
  if (i >= shape.planes * shape.in_size()) return;
  const int64_t ix = i % shape.x.in, iy = i / shape.x.in % shape.y.in;
  const T* const gradient = grad_out + i / shape.in_size() * shape.out_size();
  const PoolReaders x = readers_of(shape.x, ix), y = readers_of(shape.y, iy);
  A sum = accumulate ? cuda::widen(grad_in[i]) : A(0);
  for (int64_t oy = y.begin; oy < y.end; ++oy) {
    const PoolWindow of_y = window_of(shape.y, oy);
    for (int64_t ox = x.begin; ox < x.end; ++ox) {
      const PoolWindow of_x = window_of(shape.x, ox);
      const bool reads = iy >= of_y.begin && iy < of_y.end && ix >= of_x.begin && ix < of_x.end;
      if (!reads) continue;
      sum += cuda::widen(gradient[oy * shape.x.out + ox]) /
             static_cast<A>(divisor_of(shape, of_y, of_x));
    }
  }
  grad_in[i] = cuda::narrow<T>(sum);
}

}  // namespace

template <typename T>
void max_pool_forward(OnCuda on, T* out, int32_t* indices, const T* in, const PoolShape& shape) {
  cuda::launch(max_pool_kernel<T>, cuda::thread_each(on, shape.planes * shape.out_size()), out,
               indices, in, shape);
}

template <typename T>
void max_pool_backward(OnCuda on, T* grad_in, const T* grad_out, const int32_t* indices,
                       const PoolShape& shape, bool accumulate) {
  cuda::launch(max_pool_backward_kernel<T>, cuda::thread_each(on, shape.planes * shape.in_size()),
               grad_in, grad_out, indices, shape, accumulate);
}

template <typename T>
void average_pool_forward(OnCuda on, T* out, const T* in, const PoolShape& shape) {
  cuda::launch(average_pool_kernel<T>, cuda::thread_each(on, shape.planes * shape.out_size()), out,
               in, shape);
}

template <typename T>
void average_pool_backward(OnCuda on, T* grad_in, const T* grad_out, const PoolShape& shape,
                           bool accumulate) {
  cuda::launch(average_pool_backward_kernel<T>,
               cuda::thread_each(on, shape.planes * shape.in_size()), grad_in, grad_out, shape,
               accumulate);
}

template void max_pool_forward(OnCuda, float*, int32_t*, const float*, const PoolShape&);
template void max_pool_forward(OnCuda, double*, int32_t*, const double*, const PoolShape&);
template void max_pool_forward(OnCuda, bfloat16*, int32_t*, const bfloat16*, const PoolShape&);
template void max_pool_forward(OnCuda, float16*, int32_t*, const float16*, const PoolShape&);

template void max_pool_backward(OnCuda, float*, const float*, const int32_t*, const PoolShape&,
                                bool);
template void max_pool_backward(OnCuda, double*, const double*, const int32_t*, const PoolShape&,
                                bool);
template void max_pool_backward(OnCuda, bfloat16*, const bfloat16*, const int32_t*,
                                const PoolShape&, bool);
template void max_pool_backward(OnCuda, float16*, const float16*, const int32_t*, const PoolShape&,
                                bool);

template void average_pool_forward(OnCuda, float*, const float*, const PoolShape&);
template void average_pool_forward(OnCuda, double*, const double*, const PoolShape&);
template void average_pool_forward(OnCuda, bfloat16*, const bfloat16*, const PoolShape&);
template void average_pool_forward(OnCuda, float16*, const float16*, const PoolShape&);

template void average_pool_backward(OnCuda, float*, const float*, const PoolShape&, bool);
template void average_pool_backward(OnCuda, double*, const double*, const PoolShape&, bool);
template void average_pool_backward(OnCuda, bfloat16*, const bfloat16*, const PoolShape&, bool);
template void average_pool_backward(OnCuda, float16*, const float16*, const PoolShape&, bool);

}  // namespace ripieno::kernels
