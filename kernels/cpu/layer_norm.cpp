#include "ripieno/kernels/layer_norm.h"

#include <cmath>

#include "ripieno/kernels/cpu/support/convert.h"
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

// y = normalized x, times weight, plus bias. weight and bias may both be null.
template <typename T>
void normalize_row(T* y, const T* x, const T* weight, const T* bias, Moments<T> stats,
                   int64_t cols) {
  using A = accumulator_t<T>;
#pragma omp simd
  for (int64_t c = 0; c < cols; ++c) {
    const A normalized = (A(x[c]) - stats.mean) * stats.inverse_deviation;
    y[c] = cpu::convert<T>(weight ? normalized * A(weight[c]) + A(bias[c]) : normalized);
  }
}

template <typename T>
void forward_row(const LayerNormForwardArguments<T>& norm, int64_t r) {
  const T* x = norm.in + r * norm.cols;
  const Moments<T> stats = moments(x, norm.cols, norm.epsilon);
  norm.mean[r] = stats.mean;
  norm.inverse_deviation[r] = stats.inverse_deviation;
  normalize_row(norm.out + r * norm.cols, x, norm.weight, norm.bias, stats, norm.cols);
}

// Adds one row's contribution to the gradients of weight and bias.
template <typename T>
void add_row(accumulator_t<T>* weight_sum, accumulator_t<T>* bias_sum, const T* g, const T* x,
             Moments<T> stats, int64_t cols) {
  using A = accumulator_t<T>;
#pragma omp simd
  for (int64_t c = 0; c < cols; ++c) {
    weight_sum[c] += A(g[c]) * ((A(x[c]) - stats.mean) * stats.inverse_deviation);
    bias_sum[c] += A(g[c]);
  }
}

// grad_in of one row, added to d if `accumulate`; weight may be null.
template <typename T>
void backward_row(T* d, const T* g, const T* x, const T* weight, Moments<T> stats, int64_t cols,
                  bool accumulate) {
  using A = accumulator_t<T>;
  const auto scaled_at = [g, weight](int64_t c) {
    return weight ? A(g[c]) * A(weight[c]) : A(g[c]);
  };
  const A sum = cpu::row_sum<A>(cols, scaled_at);
  const A dot = cpu::row_sum<A>(cols, [=](int64_t c) {
    return scaled_at(c) * ((A(x[c]) - stats.mean) * stats.inverse_deviation);
  });
  const A mean_sum = sum / static_cast<A>(cols), mean_dot = dot / static_cast<A>(cols);
#pragma omp simd
  for (int64_t c = 0; c < cols; ++c) {
    const A normalized = (A(x[c]) - stats.mean) * stats.inverse_deviation;
    const A value = stats.inverse_deviation * (scaled_at(c) - mean_sum - normalized * mean_dot);
    d[c] = cpu::convert<T>(accumulate ? A(d[c]) + value : value);
  }
}

// sum[i] = x[i] + dropout(branch)[i] for i in [begin, end).
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
  for (int64_t i = begin; i < end; ++i) sum[i] = cpu::convert<T>(A(x[i]) + A(branch[i]));
}

// grad[c] = sum over chunks of partials[chunk, c] (+ grad[c] if `accumulate`).
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
void layer_norm_forward(OnCpu, const LayerNormForwardArguments<T>& norm) {
  cpu::for_each_row(norm.rows, 4 * norm.cols, [&](int64_t r) { forward_row(norm, r); });
}

template <typename T>
void residual_norm_forward(OnCpu, const ResidualNormForwardArguments<T>& residual) {
  const int64_t cols = residual.cols;
  const LayerNormForwardArguments<T> norm{.out = residual.out,
                                          .mean = residual.mean,
                                          .inverse_deviation = residual.inverse_deviation,
                                          .in = residual.sum,
                                          .weight = residual.weight,
                                          .bias = residual.bias,
                                          .rows = residual.rows,
                                          .cols = cols,
                                          .epsilon = residual.epsilon};
  cpu::for_each_row(residual.rows, 5 * cols, [&](int64_t r) {
    add_branch(residual.sum, residual.x, residual.branch, residual.mask, r * cols, (r + 1) * cols);
    forward_row(norm, r);
  });
}

template <typename T>
void residual_norm_backward(OnCpu, const ResidualNormBackwardArguments<T>& residual) {
  using A = accumulator_t<T>;
  const LayerNormBackwardArguments<T>& norm = residual.norm;
  const int64_t rows = norm.rows, cols = norm.cols;
  const int64_t chunks = (rows + kLayerNormRowChunk - 1) / kLayerNormRowChunk;
  A* weight_partials = static_cast<A*>(norm.workspace);  // (chunks, cols)
  A* bias_partials = weight_partials + chunks * cols;
  cpu::parallel_for(chunks, 8 * kLayerNormRowChunk * cols, [&](int64_t chunk) {
    A* weight_sum = norm.grad_weight ? weight_partials + chunk * cols : nullptr;
    A* bias_sum = norm.grad_weight ? bias_partials + chunk * cols : nullptr;
    if (norm.grad_weight) {
      std::fill_n(weight_sum, cols, A(0));
      std::fill_n(bias_sum, cols, A(0));
    }
    const int64_t end = std::min(rows, (chunk + 1) * kLayerNormRowChunk);
    for (int64_t r = chunk * kLayerNormRowChunk; r < end; ++r) {
      const T* g = norm.grad_out + r * cols;
      const T* x = norm.in + r * cols;
      const Moments<T> stats{norm.mean[r], norm.inverse_deviation[r]};
      // Before backward_row(), because the row of grad_in may alias that of grad_out.
      if (norm.grad_weight) add_row(weight_sum, bias_sum, g, x, stats, cols);
      backward_row(norm.grad_in + r * cols, g, x, norm.weight, stats, cols, norm.accumulate.in);
      if (!residual.grad_branch) continue;
      cpu::for_each_dropped(residual.mask, static_cast<const T*>(norm.grad_in), r * cols,
                            (r + 1) * cols,
                            [&](int64_t i, T value) { residual.grad_branch[i] = value; });
    }
  });
  if (norm.grad_weight) {
    sum_chunks(norm.grad_weight, weight_partials, chunks, cols, norm.accumulate.weight);
    sum_chunks(norm.grad_bias, bias_partials, chunks, cols, norm.accumulate.bias);
  }
}

template <typename T>
void layer_norm_backward(OnCpu on, const LayerNormBackwardArguments<T>& norm) {
  residual_norm_backward(on, ResidualNormBackwardArguments<T>{.norm = norm});
}

template void layer_norm_forward(OnCpu, const LayerNormForwardArguments<float>&);
template void layer_norm_forward(OnCpu, const LayerNormForwardArguments<double>&);
template void layer_norm_forward(OnCpu, const LayerNormForwardArguments<bfloat16>&);
template void layer_norm_forward(OnCpu, const LayerNormForwardArguments<float16>&);

template void residual_norm_forward(OnCpu, const ResidualNormForwardArguments<float>&);
template void residual_norm_forward(OnCpu, const ResidualNormForwardArguments<double>&);
template void residual_norm_forward(OnCpu, const ResidualNormForwardArguments<bfloat16>&);
template void residual_norm_forward(OnCpu, const ResidualNormForwardArguments<float16>&);

template void layer_norm_backward(OnCpu, const LayerNormBackwardArguments<float>&);
template void layer_norm_backward(OnCpu, const LayerNormBackwardArguments<double>&);
template void layer_norm_backward(OnCpu, const LayerNormBackwardArguments<bfloat16>&);
template void layer_norm_backward(OnCpu, const LayerNormBackwardArguments<float16>&);

template void residual_norm_backward(OnCpu, const ResidualNormBackwardArguments<float>&);
template void residual_norm_backward(OnCpu, const ResidualNormBackwardArguments<double>&);
template void residual_norm_backward(OnCpu, const ResidualNormBackwardArguments<bfloat16>&);
template void residual_norm_backward(OnCpu, const ResidualNormBackwardArguments<float16>&);

}  // namespace ripieno::kernels
