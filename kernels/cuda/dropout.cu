#include "ripieno/kernels/cuda/dropout.cuh"

namespace ripieno::kernels {
namespace {

// One thread per vector.
template <int width, typename T>
__global__ void dropout_kernel(T* out, const T* in, int64_t size, cuda::Dropping<T> dropping) {
  const int64_t first = cuda::global_thread() * width;
  if (first + width <= size) {
    cuda::store(out + first, cuda::dropped(dropping, first, cuda::load<width>(in + first)));
    return;
  }
  for (int64_t i = first; i < size; ++i) {
    cuda::store(out + i, cuda::dropped(dropping, i, cuda::load<1>(in + i)));
  }
}

template <int width, typename T>
void launch_dropout(OnCuda on, T* out, const T* in, int64_t size,
                    const cuda::Dropping<T>& dropping) {
  const int64_t threads = cuda::ceil_divide(size, width);
  cuda::launch(dropout_kernel<width, T>, cuda::thread_each(on, threads), out, in, size, dropping);
}

}  // namespace

template <typename T>
void dropout(OnCuda on, T* out, const T* in, int64_t size, const DropoutMask& mask) {
  const cuda::Dropping<T> dropping(mask);
  if (cuda::is_aligned(out, in) && dropping.fits(cuda::kVectorSize<T>)) {
    launch_dropout<cuda::kVectorSize<T>>(on, out, in, size, dropping);
  } else {
    launch_dropout<1>(on, out, in, size, dropping);
  }
}

template void dropout(OnCuda, float*, const float*, int64_t, const DropoutMask&);
template void dropout(OnCuda, double*, const double*, int64_t, const DropoutMask&);
template void dropout(OnCuda, bfloat16*, const bfloat16*, int64_t, const DropoutMask&);
template void dropout(OnCuda, float16*, const float16*, int64_t, const DropoutMask&);

}  // namespace ripieno::kernels
