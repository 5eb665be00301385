#include "ripieno/kernels/layer_norm.h"

#include <cmath>

#include "ripieno/kernels/cpu/support/dropped.h"
#include "ripieno/kernels/cpu/support/parallel.h"
#include "ripieno/kernels/cpu/support/rows.h"

namespace ripieno::kernels {

namespace {

template <typename T>
struct Moments {
  accumulator_t<T> mean, inverse_deviation;
};

template <typename T>
Moments<T> moments(const T* x, int64_t cols, double epsilon) {
  using A = accumulator_t<T>;
  const A sum = cpu::row_sum<A>(cols, [x](int64_t c) { return A(x[c]); });
  const A mean = sum / static_cast<A>(cols);
  const A squares = cpu::row_sum<A>(cols, [x, mean](int64_t c) {
    const A centered = A(x[c]) - mean;
    return centered * centered;
  });
  return {mean, A(1) / std::sqrt(squares / static_cast<A>(cols) + static_cast<A>(epsilon))};
}

// weight and bias may both be null.
template <typename T>
void normalize_row(T* y, const T* x, const T* weight, const T* bias, Moments<T> of, int64_t cols) {
  using A = accumulator_t<T>;
#pragma omp simd
  for (int64_t c = 0; c < cols; ++c) {
    const A normalized = (A(x[c]) - of.mean) * of.inverse_deviation;
    y[c] = T(weight ? normalized * A(weight[c]) + A(bias[c]) : normalized);
  }
}

template <typename T>
void forward_row(T* out, accumulator_t<T>* mean, accumulator_t<T>* inverse_deviation, const T* in,
                 const T* weight, const T* bias, int64_t r, int64_t cols, double epsilon) {
  const T* x = in + r * cols;
  const Moments<T> of = moments(x, cols, epsilon);
  mean[r] = of.mean;
  inverse_deviation[r] = of.inverse_deviation;
  normalize_row(out + r * cols, x, weight, bias, of, cols);
}

// Adds one row's share to the gradients of weight and bias.
template <typename T>
void add_row(accumulator_t<T>* weight_sum, accumulator_t<T>* bias_sum, const T* g, const T* x,
             Moments<T> of, int64_t cols) {
  using A = accumulator_t<T>;
#pragma omp simd
  for (int64_t c = 0; c < cols; ++c) {
    weight_sum[c] += A(g[c]) * ((A(x[c]) - of.mean) * of.inverse_deviation);
    bias_sum[c] += A(g[c]);
  }
}

// grad_in of one row, added to where `accumulate`; weight may be null.
template <typename T>
void backward_row(T* d, const T* g, const T* x, const T* weight, Moments<T> of, int64_t cols,
                  bool accumulate) {
  using A = accumulator_t<T>;
  const auto scaled_at = [g, weight](int64_t c) {
    return weight ? A(g[c]) * A(weight[c]) : A(g[c]);
  };
  const A sum = cpu::row_sum<A>(cols, scaled_at);
  const A dot = cpu::row_sum<A>(
      cols, [=](int64_t c) { return scaled_at(c) * ((A(x[c]) - of.mean) * of.inverse_deviation); });
  const A mean_sum = sum / static_cast<A>(cols), mean_dot = dot / static_cast<A>(cols);
#pragma omp simd
  for (int64_t c = 0; c < cols; ++c) {
    const A normalized = (A(x[c]) - of.mean) * of.inverse_deviation;
    const A own = of.inverse_deviation * (scaled_at(c) - mean_sum - normalized * mean_dot);
    d[c] = T(accumulate ? A(d[c]) + own : own);
  }
}

// sum[i] = x[i] + dropout(branch)[i] for i of [begin, end).
template <typename T>
void add_branch(T* sum, const T* x, const T* branch, const DropoutMask& mask, int64_t begin,
                int64_t end) {
  using A = accumulator_t<T>;
  if (mask.probability > 0) {
    cpu::for_each_dropped(mask, branch, begin, end,
                          [&](int64_t i, T value) { sum[i] = T(A(x[i]) + A(value)); });
    return;
  }
#pragma omp simd
  for (int64_t i = begin; i < end; ++i) sum[i] = T(A(x[i]) + A(branch[i]));
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
  cpu::for_each_row(rows, 4 * cols, [&](int64_t r) {
    forward_row(out, mean, inverse_deviation, in, weight, bias, r, cols, epsilon);
  });
}

template <typename T>
void residual_norm_forward(OnCpu, T* out, T* sum, accumulator_t<T>* mean,
                           accumulator_t<T>* inverse_deviation, const T* x, const T* branch,
                           const DropoutMask& mask, const T* weight, const T* bias, int64_t rows,
                           int64_t cols, double epsilon) {
  cpu::for_each_row(rows, 5 * cols, [&](int64_t r) {
    add_branch(sum, x, branch, mask, r * cols, (r + 1) * cols);
    forward_row(out, mean, inverse_deviation, static_cast<const T*>(sum), weight, bias, r, cols,
                epsilon);
  });
}

template <typename T>
void residual_norm_backward(OnCpu, T* grad_sum, T* grad_branch, T* grad_weight, T* grad_bias,
                            void* workspace, const T* grad_out, const T* sum,
                            const DropoutMask& mask, const T* weight, const accumulator_t<T>* mean,
                            const accumulator_t<T>* inverse_deviation, int64_t rows, int64_t cols,
                            LayerNormAccumulate accumulate) {
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
      const T* x = sum + r * cols;
      const Moments<T> of{mean[r], inverse_deviation[r]};
      // First, since the row of grad_sum may be that of grad_out.
      if (grad_weight) add_row(weight_sum, bias_sum, g, x, of, cols);
      backward_row(grad_sum + r * cols, g, x, weight, of, cols, accumulate.in);
      if (!grad_branch) continue;
      cpu::for_each_dropped(mask, static_cast<const T*>(grad_sum), r * cols, (r + 1) * cols,
                            [&](int64_t i, T value) { grad_branch[i] = value; });
    }
  });
  if (grad_weight) {
    sum_chunks(grad_weight, weight_partials, chunks, cols, accumulate.weight);
    sum_chunks(grad_bias, bias_partials, chunks, cols, accumulate.bias);
  }
}

template <typename T>
void layer_norm_backward(OnCpu on, T* grad_in, T* grad_weight, T* grad_bias, void* workspace,
                         const T* grad_out, const T* in, const T* weight,
                         const accumulator_t<T>* mean, const accumulator_t<T>* inverse_deviation,
                         int64_t rows, int64_t cols, LayerNormAccumulate accumulate) {
  residual_norm_backward(on, grad_in, static_cast<T*>(nullptr), grad_weight, grad_bias, workspace,
                         grad_out, in, DropoutMask{}, weight, mean, inverse_deviation, rows, cols,
                         accumulate);
}

template void layer_norm_forward(OnCpu, float*, float*, float*, const float*, const float*,
                                 const float*, int64_t, int64_t, double);
template void layer_norm_forward(OnCpu, double*, double*, double*, const double*, const double*,
                                 const double*, int64_t, int64_t, double);
template void layer_norm_forward(OnCpu, bfloat16*, float*, float*, const bfloat16*, const bfloat16*,
                                 const bfloat16*, int64_t, int64_t, double);
template void layer_norm_forward(OnCpu, float16*, float*, float*, const float16*, const float16*,
                                 const float16*, int64_t, int64_t, double);

template void residual_norm_forward(OnCpu, float*, float*, float*, float*, const float*,
                                    const float*, const DropoutMask&, const float*, const float*,
                                    int64_t, int64_t, double);
template void residual_norm_forward(OnCpu, double*, double*, double*, double*, const double*,
                                    const double*, const DropoutMask&, const double*, const double*,
                                    int64_t, int64_t, double);
template void residual_norm_forward(OnCpu, bfloat16*, bfloat16*, float*, float*, const bfloat16*,
                                    const bfloat16*, const DropoutMask&, const bfloat16*,
                                    const bfloat16*, int64_t, int64_t, double);
template void residual_norm_forward(OnCpu, float16*, float16*, float*, float*, const float16*,
                                    const float16*, const DropoutMask&, const float16*,
                                    const float16*, int64_t, int64_t, double);

template void layer_norm_backward(OnCpu, float*, float*, float*, void*, const float*, const float*,
                                  const float*, const float*, const float*, int64_t, int64_t,
                                  LayerNormAccumulate);
template void layer_norm_backward(OnCpu, double*, double*, double*, void*, const double*,
                                  const double*, const double*, const double*, const double*,
                                  int64_t, int64_t, LayerNormAccumulate);
template void layer_norm_backward(OnCpu, bfloat16*, bfloat16*, bfloat16*, void*, const bfloat16*,
                                  const bfloat16*, const bfloat16*, const float*, const float*,
                                  int64_t, int64_t, LayerNormAccumulate);
template void layer_norm_backward(OnCpu, float16*, float16*, float16*, void*, const float16*,
                                  const float16*, const float16*, const float*, const float*,
                                  int64_t, int64_t, LayerNormAccumulate);

template void residual_norm_backward(OnCpu, float*, float*, float*, float*, void*, const float*,
                                     const float*, const DropoutMask&, const float*, const float*,
                                     const float*, int64_t, int64_t, LayerNormAccumulate);
template void residual_norm_backward(OnCpu, double*, double*, double*, double*, void*,
                                     const double*, const double*, const DropoutMask&,
                                     const double*, const double*, const double*, int64_t, int64_t,
                                     LayerNormAccumulate);
template void residual_norm_backward(OnCpu, bfloat16*, bfloat16*, bfloat16*, bfloat16*, void*,
                                     const bfloat16*, const bfloat16*, const DropoutMask&,
                                     const bfloat16*, const float*, const float*, int64_t, int64_t,
                                     LayerNormAccumulate);
template void residual_norm_backward(OnCpu, float16*, float16*, float16*, float16*, void*,
                                     const float16*, const float16*, const DropoutMask&,
                                     const float16*, const float*, const float*, int64_t, int64_t,
                                     LayerNormAccumulate);

}  // namespace ripieno::kernels
