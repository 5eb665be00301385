// Norm of each row, of one tensor or of a residual sum. Each row is read once and held in
// registers.
//
// Moves 2 elements per element of the matrix, or 4 for a residual sum.
#pragma once

#include "ripieno/kernels/cuda/device/row_fragment.cuh"
#include "ripieno/kernels/cuda/dropout.cuh"

namespace ripieno::kernels::cuda {

template <typename T>
struct LayerNormForward {
  T *out, *sum;                         // (rows, cols); sum: null if there is no branch
  accumulator_t<T>*mean, *inverse;      // (rows); inverse: of the standard deviation
  const T *x, *branch, *weight, *bias;  // (rows, cols) and (cols); all but x may be null
  int64_t rows, cols;
  double epsilon;
  Dropping<T> dropping;
  bool drops;
};

// Adds the branch to this thread's elements of x, and stores the sum in row `row` of norm.sum.
template <int width, typename T>
__device__ void add_branch(const LayerNormForward<T>& norm, RowFragment<T, width>& x,
                           const RowFragment<T, width>& branch, int64_t row, int64_t cols) {
  for_each_vector<width>(cols, [&](int v) {
    Vector<T, width> sum = x.vector(v), added = branch.vector(v);
    if (norm.drops) {
      added = dropped(norm.dropping, row * cols + column_of<width>(v), added);
    }
    unrolled<width>([&](int k) { sum[k] = narrow<T>(widen(sum[k]) + widen(added[k])); });
    x.set_vector(v, sum);
  });
  x.store(norm.sum + row * cols, cols);
}

// out = (x - mean) * inverse * weight + bias
template <int width, typename T>
__device__ RowFragment<T, width> normalized(const RowFragment<T, width>& x, accumulator_t<T> mean,
                                            accumulator_t<T> inverse,
                                            const RowFragment<T, width>& weight,
                                            const RowFragment<T, width>& bias, bool is_affine) {
  RowFragment<T, width> out;
  unrolled<kColumnsPerThread>([&](int i) {
    const accumulator_t<T> normal = (widen(x.element[i]) - mean) * inverse;
    out.element[i] =
        narrow<T>(is_affine ? normal * widen(weight.element[i]) + widen(bias.element[i]) : normal);
  });
  return out;
}

// A block processes kRowsAtOnce rows; a thread has kColumnsPerThread columns of each.
template <int width, typename T>
__global__ void __launch_bounds__(kLargestRowBlock<T>, 1)
    layer_norm_forward_kernel(LayerNormForward<T> norm) {
  using A = accumulator_t<T>;
  using Fragment = RowFragment<T, width>;
  constexpr int at_once = kRowsAtOnce<T, width>;
  const int64_t first = int64_t{blockIdx.x} * at_once;
  const auto cols_of = [&](int r) { return first + r < norm.rows ? norm.cols : 0; };

  Fragment x[at_once], branch[at_once], weight, bias;
  unrolled<at_once>([&](int r) {
    x[r].load(norm.x + (first + r) * norm.cols, cols_of(r));
    if (norm.branch) branch[r].load(norm.branch + (first + r) * norm.cols, cols_of(r));
  });
  if (norm.weight) {
    weight.load(norm.weight, norm.cols);
    bias.load(norm.bias, norm.cols);
  }
  if (norm.branch) {
    unrolled<at_once>([&](int r) { add_branch(norm, x[r], branch[r], first + r, cols_of(r)); });
  }

  A mean[at_once] = {}, inverse[at_once] = {};
  unrolled<at_once>([&](int r) {
    Fragment::for_each(norm.cols, [&](int i) { mean[r] += widen(x[r].element[i]); });
  });
  block_sum(mean, 0);
  unrolled<at_once>([&](int r) {
    mean[r] /= static_cast<A>(norm.cols);
    Fragment::for_each(norm.cols, [&](int i) {
      const A difference = widen(x[r].element[i]) - mean[r];
      inverse[r] += difference * difference;
    });
  });
  block_sum(inverse, 1);

  unrolled<at_once>([&](int r) {
    const A variance = inverse[r] / static_cast<A>(norm.cols);
    inverse[r] = A(1) / std::sqrt(variance + static_cast<A>(norm.epsilon));
    normalized(x[r], mean[r], inverse[r], weight, bias, norm.weight != nullptr)
        .store(norm.out + (first + r) * norm.cols, cols_of(r));
    if (threadIdx.x == 0 && first + r < norm.rows) {
      norm.mean[first + r] = mean[r];
      norm.inverse[first + r] = inverse[r];
    }
  });
}

template <typename T>
void launch_layer_norm_forward(OnCuda on, const LayerNormForward<T>& norm) {
  const bool in_vectors =
      is_aligned(norm.out, norm.sum, norm.x, norm.branch, norm.weight, norm.bias) &&
      norm.dropping.fits(kVectorSize<T>);
  for_row_width<T>(norm.cols, in_vectors, [&]<int width>() {
    const auto blocks = static_cast<unsigned>(ceil_divide(norm.rows, kRowsAtOnce<T, width>));
    const LaunchShape shape{dim3(blocks), dim3(threads_for_row(norm.cols)), 0, on.stream};
    launch(layer_norm_forward_kernel<width, T>, shape, norm);
  });
}

}  // namespace ripieno::kernels::cuda
