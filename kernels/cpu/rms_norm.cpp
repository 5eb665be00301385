#include "ripieno/kernels/rms_norm.h"

#include <algorithm>
#include <cmath>

#include "ripieno/kernels/cpu/support/convert.h"
#include "ripieno/kernels/cpu/support/parallel.h"
#include "ripieno/kernels/cpu/support/rows.h"

namespace ripieno::kernels {
namespace {

template <typename T>
void forward_row(const RmsNormForwardArguments<T>& norm, int64_t r) {
  using A = accumulator_t<T>;
  const int64_t cols = norm.cols;
  const T* x = norm.x + r * cols;
  if (norm.branch) {
    const T* branch = norm.branch + r * cols;
    T* sum = norm.sum + r * cols;
#pragma omp simd
    for (int64_t c = 0; c < cols; ++c) sum[c] = cpu::convert<T>(A(x[c]) + A(branch[c]));
    x = sum;
  }
  const A squares = cpu::row_sum<A>(cols, [x](int64_t c) { return A(x[c]) * A(x[c]); });
  const A inverse = A(1) / std::sqrt(squares / static_cast<A>(cols) + static_cast<A>(norm.epsilon));
  norm.inverse[r] = inverse;
  T* out = norm.out + r * cols;
  const T* weight = norm.weight;
#pragma omp simd
  for (int64_t c = 0; c < cols; ++c) {
    const A normal = A(x[c]) * inverse;
    out[c] = T(weight ? normal * A(weight[c]) : normal);
  }
}

// Adds a row's contribution to the gradient of the weight to `sum`, and writes the row of grad_in.
template <typename T>
void backward_row(const RmsNormBackwardArguments<T>& norm, int64_t r, accumulator_t<T>* sum) {
  using A = accumulator_t<T>;
  const int64_t cols = norm.cols;
  const T *g = norm.grad_out + r * cols, *x = norm.in + r * cols, *weight = norm.weight;
  const A inverse = norm.inverse[r];
  if (sum) {
#pragma omp simd
    for (int64_t c = 0; c < cols; ++c) sum[c] += A(g[c]) * (A(x[c]) * inverse);
  }
  const auto scaled = [g, weight](int64_t c) { return weight ? A(g[c]) * A(weight[c]) : A(g[c]); };
  const A product =
      cpu::row_sum<A>(cols, [=](int64_t c) { return scaled(c) * (A(x[c]) * inverse); });
  const A mean = product / static_cast<A>(cols);
  T* d = norm.grad_in + r * cols;
#pragma omp simd
  for (int64_t c = 0; c < cols; ++c) {
    const A value = inverse * (scaled(c) - A(x[c]) * inverse * mean);
    d[c] = T(norm.accumulate_in ? A(d[c]) + value : value);
  }
}

template <typename T>
void add_chunks(const RmsNormBackwardArguments<T>& norm, int64_t chunks) {
  using A = accumulator_t<T>;
  cpu::for_each_block(norm.cols, [&](int64_t begin, int64_t end) {
    for (int64_t c = begin; c < end; ++c) {
      A sum = 0;
      for (int64_t chunk = 0; chunk < chunks; ++chunk) sum += norm.partials[chunk * norm.cols + c];
      norm.grad_weight[c] = T(norm.accumulate_weight ? A(norm.grad_weight[c]) + sum : sum);
    }
  });
}

}  // namespace

template <typename T>
void rms_norm_forward(OnCpu, const RmsNormForwardArguments<T>& norm) {
  cpu::for_each_row(norm.rows, 3 * norm.cols, [&](int64_t r) { forward_row(norm, r); });
}

template <typename T>
void rms_norm_backward(OnCpu, const RmsNormBackwardArguments<T>& norm) {
  using A = accumulator_t<T>;
  const int64_t each = rms_norm_rows_per_chunk(norm.rows), chunks = rms_norm_chunks(norm.rows);
  cpu::parallel_for(chunks, 6 * each * norm.cols, [&](int64_t chunk) {
    A* const sum = norm.grad_weight ? norm.partials + chunk * norm.cols : nullptr;
    if (sum) std::fill_n(sum, norm.cols, A(0));
    const int64_t end = std::min(norm.rows, (chunk + 1) * each);
    for (int64_t r = chunk * each; r < end; ++r) backward_row(norm, r, sum);
  });
  if (norm.grad_weight) add_chunks(norm, chunks);
}

template void rms_norm_forward(OnCpu, const RmsNormForwardArguments<float>&);
template void rms_norm_forward(OnCpu, const RmsNormForwardArguments<double>&);
template void rms_norm_forward(OnCpu, const RmsNormForwardArguments<bfloat16>&);
template void rms_norm_forward(OnCpu, const RmsNormForwardArguments<float16>&);

template void rms_norm_backward(OnCpu, const RmsNormBackwardArguments<float>&);
template void rms_norm_backward(OnCpu, const RmsNormBackwardArguments<double>&);
template void rms_norm_backward(OnCpu, const RmsNormBackwardArguments<bfloat16>&);
template void rms_norm_backward(OnCpu, const RmsNormBackwardArguments<float16>&);

}  // namespace ripieno::kernels
