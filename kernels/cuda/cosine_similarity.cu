#include "ripieno/kernels/cosine_similarity.h"
#include "ripieno/kernels/cuda/device/device.cuh"
#include "ripieno/kernels/formulas/cosine_formulas.h"

namespace ripieno::kernels {
namespace {

// One warp per row.
template <typename T>
__global__ void forward_kernel(T* cosines, accumulator_t<T>* statistics, RowPairs<T> pairs) {
  using A = accumulator_t<T>;
  const int64_t r = cuda::global_warp();
  if (r >= pairs.rows) return;
  A aa = A(0), bb = A(0), ab = A(0);
  for (int64_t c = cuda::lane(); c < pairs.columns; c += cuda::kWarpSize) {
    const A a = cuda::widen(pairs.a[r * pairs.columns + c]);
    const A b = cuda::widen(pairs.b[r * pairs.columns + c]);
    aa += a * a;
    bb += b * b;
    ab += a * b;
  }
  const A smallest = A(pairs.smallest);
  const A of_a = std::sqrt(cuda::warp_reduce(aa, cuda::Sum{}));
  const A of_b = std::sqrt(cuda::warp_reduce(bb, cuda::Sum{}));
  const A cosine = cuda::warp_reduce(ab, cuda::Sum{}) /
                   ((of_a > smallest ? of_a : smallest) * (of_b > smallest ? of_b : smallest));
  if (cuda::lane() != 0) return;
  statistics[3 * r] = of_a;
  statistics[3 * r + 1] = of_b;
  statistics[3 * r + 2] = cosine;
  cosines[r] = cuda::narrow<T>(cosine);
}

// One thread per element.
template <typename T>
__global__ void backward_kernel(T* grad_a, T* grad_b, const T* grad_cosines,
                                const accumulator_t<T>* statistics, RowPairs<T> pairs) {
  using A = accumulator_t<T>;
  const int64_t i = cuda::global_thread();
  if (i >= pairs.rows * pairs.columns) return;
  const int64_t r = i / pairs.columns;
  const A* const of = statistics + 3 * r;
  const A scale = cuda::widen(grad_cosines[r]), smallest = A(pairs.smallest);
  const A x = cuda::widen(pairs.a[i]), y = cuda::widen(pairs.b[i]);
  if (grad_a)
    grad_a[i] =
        cuda::narrow<T>(scale * formulas::cosine_derivative(x, y, of[0], of[1], of[2], smallest));
  if (grad_b)
    grad_b[i] =
        cuda::narrow<T>(scale * formulas::cosine_derivative(y, x, of[1], of[0], of[2], smallest));
}

}  // namespace

template <typename T>
void cosine_similarity_forward(OnCuda on, T* cosines, accumulator_t<T>* statistics,
                               const RowPairs<T>& pairs) {
  cuda::launch(forward_kernel<T>, cuda::warp_each(on, pairs.rows), cosines, statistics, pairs);
}

template <typename T>
void cosine_similarity_backward(OnCuda on, T* grad_a, T* grad_b, const T* grad_cosines,
                                const accumulator_t<T>* statistics, const RowPairs<T>& pairs) {
  cuda::launch(backward_kernel<T>, cuda::thread_each(on, pairs.rows * pairs.columns), grad_a,
               grad_b, grad_cosines, statistics, pairs);
}

template void cosine_similarity_forward(OnCuda, float*, float*, const RowPairs<float>&);
template void cosine_similarity_forward(OnCuda, double*, double*, const RowPairs<double>&);
template void cosine_similarity_forward(OnCuda, bfloat16*, float*, const RowPairs<bfloat16>&);
template void cosine_similarity_forward(OnCuda, float16*, float*, const RowPairs<float16>&);

template void cosine_similarity_backward(OnCuda, float*, float*, const float*, const float*,
                                         const RowPairs<float>&);
template void cosine_similarity_backward(OnCuda, double*, double*, const double*, const double*,
                                         const RowPairs<double>&);
template void cosine_similarity_backward(OnCuda, bfloat16*, bfloat16*, const bfloat16*,
                                         const float*, const RowPairs<bfloat16>&);
template void cosine_similarity_backward(OnCuda, float16*, float16*, const float16*, const float*,
                                         const RowPairs<float16>&);

}  // namespace ripieno::kernels
