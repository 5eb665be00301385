#include "ripieno/kernels/layer_norm.h"

#include <cmath>

#include "ripieno/kernels/cpu/parallel.h"

namespace ripieno::kernels {

namespace {

template <typename T>
struct Moments {
  accumulator_t<T> mean, inverse_deviation;
};

template <typename T>
Moments<T> moments(const T* x, int64_t cols, double epsilon) {
  using A = accumulator_t<T>;
  A sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t c = 0; c < cols; ++c) sum += A(x[c]);
  const A mean = sum / static_cast<A>(cols);
  A squares = 0;
#pragma omp simd reduction(+ : squares)
  for (int64_t c = 0; c < cols; ++c) squares += (A(x[c]) - mean) * (A(x[c]) - mean);
  return {mean, A(1) / std::sqrt(squares / static_cast<A>(cols) + static_cast<A>(epsilon))};
}

// grad_in of one row; weight may be null.
template <typename T>
void backward_row(T* d, const T* g, const T* x, const T* weight, Moments<T> of, int64_t cols) {
  using A = accumulator_t<T>;
  A sum = 0, dot = 0;  // of g * weight, and of its product with the normalized input
#pragma omp simd reduction(+ : sum, dot)
  for (int64_t c = 0; c < cols; ++c) {
    const A scaled = weight ? A(g[c]) * A(weight[c]) : A(g[c]);
    sum += scaled;
    dot += scaled * ((A(x[c]) - of.mean) * of.inverse_deviation);
  }
  const A mean_sum = sum / static_cast<A>(cols), mean_dot = dot / static_cast<A>(cols);
#pragma omp simd
  for (int64_t c = 0; c < cols; ++c) {
    const A scaled = weight ? A(g[c]) * A(weight[c]) : A(g[c]);
    const A normalized = (A(x[c]) - of.mean) * of.inverse_deviation;
    d[c] = T(of.inverse_deviation * (scaled - mean_sum - normalized * mean_dot));
  }
}

// grad[c] = sum over the chunks of partials[chunk, c] (+ grad[c]).
template <typename T>
void sum_chunks(T* grad, const accumulator_t<T>* partials, int64_t chunks, int64_t cols,
                bool accumulate) {
  using A = accumulator_t<T>;
  constexpr int64_t kColumns = 64;
  cpu::parallel_for((cols + kColumns - 1) / kColumns, chunks * kColumns, [&](int64_t block) {
    const int64_t begin = block * kColumns, size = std::min(kColumns, cols - begin);
    A sums[kColumns] = {};
    for (int64_t chunk = 0; chunk < chunks; ++chunk) {
      const A* partial = partials + chunk * cols + begin;
      for (int64_t c = 0; c < size; ++c) sums[c] += partial[c];
    }
    for (int64_t c = 0; c < size; ++c) {
      grad[begin + c] = T(accumulate ? A(grad[begin + c]) + sums[c] : sums[c]);
    }
  });
}

}  // namespace

template <typename T>
void layer_norm_forward(OnCpu, T* out, accumulator_t<T>* mean, accumulator_t<T>* inverse_deviation,
                        const T* in, const T* weight, const T* bias, int64_t rows, int64_t cols,
                        double epsilon) {
  using A = accumulator_t<T>;
  cpu::for_each_row(rows, 4 * cols, [&](int64_t r) {
    const T* x = in + r * cols;
    T* y = out + r * cols;
    const Moments<T> of = moments(x, cols, epsilon);
    mean[r] = of.mean;
    inverse_deviation[r] = of.inverse_deviation;
#pragma omp simd
    for (int64_t c = 0; c < cols; ++c) {
      const A normalized = (A(x[c]) - of.mean) * of.inverse_deviation;
      y[c] = T(weight ? normalized * A(weight[c]) + A(bias[c]) : normalized);
    }
  });
}

template <typename T>
void layer_norm_backward(OnCpu, T* grad_in, T* grad_weight, T* grad_bias, void* workspace,
                         const T* grad_out, const T* in, const T* weight,
                         const accumulator_t<T>* mean, const accumulator_t<T>* inverse_deviation,
                         int64_t rows, int64_t cols, bool accumulate) {
  using A = accumulator_t<T>;
  const int64_t chunks = (rows + kLayerNormRowChunk - 1) / kLayerNormRowChunk;
  A* weight_partials = static_cast<A*>(workspace);  // (chunks, cols)
  A* bias_partials = weight_partials + chunks * cols;
  cpu::parallel_for(chunks, 8 * kLayerNormRowChunk * cols, [&](int64_t chunk) {
    A* weight_sum = grad_weight ? weight_partials + chunk * cols : nullptr;
    A* bias_sum = grad_weight ? bias_partials + chunk * cols : nullptr;
    if (grad_weight) {
      std::fill_n(weight_sum, cols, A(0));
      std::fill_n(bias_sum, cols, A(0));
    }
    const int64_t end = std::min(rows, (chunk + 1) * kLayerNormRowChunk);
    for (int64_t r = chunk * kLayerNormRowChunk; r < end; ++r) {
      const T* g = grad_out + r * cols;
      const T* x = in + r * cols;
      const Moments<T> of{mean[r], inverse_deviation[r]};
      if (grad_weight) {  // before the row of grad_in, which may be that of grad_out
#pragma omp simd
        for (int64_t c = 0; c < cols; ++c) {
          weight_sum[c] += A(g[c]) * ((A(x[c]) - of.mean) * of.inverse_deviation);
          bias_sum[c] += A(g[c]);
        }
      }
      backward_row(grad_in + r * cols, g, x, weight, of, cols);
    }
  });
  if (grad_weight) {
    sum_chunks(grad_weight, weight_partials, chunks, cols, accumulate);
    sum_chunks(grad_bias, bias_partials, chunks, cols, accumulate);
  }
}

template void layer_norm_forward(OnCpu, float*, float*, float*, const float*, const float*,
                                 const float*, int64_t, int64_t, double);
template void layer_norm_forward(OnCpu, double*, double*, double*, const double*, const double*,
                                 const double*, int64_t, int64_t, double);
template void layer_norm_forward(OnCpu, bfloat16*, float*, float*, const bfloat16*, const bfloat16*,
                                 const bfloat16*, int64_t, int64_t, double);
template void layer_norm_forward(OnCpu, float16*, float*, float*, const float16*, const float16*,
                                 const float16*, int64_t, int64_t, double);

template void layer_norm_backward(OnCpu, float*, float*, float*, void*, const float*, const float*,
                                  const float*, const float*, const float*, int64_t, int64_t, bool);
template void layer_norm_backward(OnCpu, double*, double*, double*, void*, const double*,
                                  const double*, const double*, const double*, const double*,
                                  int64_t, int64_t, bool);
template void layer_norm_backward(OnCpu, bfloat16*, bfloat16*, bfloat16*, void*, const bfloat16*,
                                  const bfloat16*, const bfloat16*, const float*, const float*,
                                  int64_t, int64_t, bool);
template void layer_norm_backward(OnCpu, float16*, float16*, float16*, void*, const float16*,
                                  const float16*, const float16*, const float*, const float*,
                                  int64_t, int64_t, bool);

}  // namespace ripieno::kernels
