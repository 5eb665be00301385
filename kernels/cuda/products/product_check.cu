#include "ripieno/kernels/cuda/device/device.cuh"
#include "ripieno/kernels/cuda/products/product_check.h"

namespace ripieno::kernels::cuda {
namespace {

struct SumsShape {
  ColumnMajorMatrix stored;
  int64_t batch, weights_stride;

  __device__ int64_t rows() const { return stored.transposed ? stored.cols : stored.rows; }
  __device__ int64_t columns() const { return stored.transposed ? stored.rows : stored.cols; }
};

__device__ void put(double* sum, double value, bool accumulate) {
  *sum = accumulate ? *sum + value : value;
}

// One warp a column, whose elements are adjacent.
template <typename T>
__global__ void column_sums_kernel(double* sums, const double* weights, const T* memory,
                                   SumsShape shape, bool accumulate) {
  const int64_t columns = shape.columns(), number = global_warp();
  if (number >= shape.batch * columns) return;
  const int64_t of_batch = number / columns, column = number % columns;
  const T* const from = memory + of_batch * shape.stored.stride + column * shape.stored.leading;
  const double* const weight = weights + of_batch * shape.weights_stride;
  double sum = 0;
  for (int64_t row = lane(); row < shape.rows(); row += kWarpSize) {
    sum += weight[row] * static_cast<double>(widen(from[row]));
  }
  sum = warp_reduce(sum, Sum{});
  if (lane() == 0) put(sums + number, sum, accumulate);
}

// One thread a column: the matrix is transposed, so that elements of one row are adjacent.
template <typename T>
__global__ void transposed_column_sums_kernel(double* sums, const double* weights, const T* memory,
                                              SumsShape shape, bool accumulate) {
  const int64_t columns = shape.columns(), number = global_thread();
  if (number >= shape.batch * columns) return;
  const int64_t of_batch = number / columns, column = number % columns;
  const T* const from = memory + of_batch * shape.stored.stride + column;
  const double* const weight = weights + of_batch * shape.weights_stride;
  double sum = 0;
  for (int64_t row = 0; row < shape.rows(); ++row) {
    sum += weight[row] * static_cast<double>(widen(from[row * shape.stored.leading]));
  }
  put(sums + number, sum, accumulate);
}

// One count a block.
template <typename T>
__global__ void count_differences_kernel(int32_t* counts, const T* a, const T* b, int64_t size,
                                         Tolerance tolerance) {
  const int64_t threads = int64_t{gridDim.x} * blockDim.x;
  int32_t count = 0;
  for (int64_t i = global_thread(); i < size; i += threads) {
    const auto of_a = static_cast<double>(widen(a[i])), of_b = static_cast<double>(widen(b[i]));
    const double most = tolerance.absolute + tolerance.relative * std::abs(of_b);
    if (!(std::abs(of_a - of_b) <= most)) ++count;  // also if one is NaN
  }
  count = block_reduce(count, Sum{});
  if (threadIdx.x == 0) counts[blockIdx.x] = count;
}

}  // namespace

template <typename T>
void weighted_column_sums(OnCuda on, double* sums, const double* weights, int64_t weights_stride,
                          const T* memory, const ColumnMajorMatrix& matrix, int64_t batch,
                          bool accumulate) {
  const SumsShape shape{matrix, batch, weights_stride};
  if (matrix.transposed) {
    launch(transposed_column_sums_kernel<T>, thread_each(on, batch * matrix.rows), sums, weights,
           memory, shape, accumulate);
  } else {
    launch(column_sums_kernel<T>, warp_each(on, batch * matrix.cols), sums, weights, memory, shape,
           accumulate);
  }
}

int64_t counts_of_differences(int64_t size) {
  return std::min(ceil_divide(size, kBlockSize), kMostCounts);
}

template <typename T>
void count_differences(OnCuda on, int32_t* counts, const T* a, const T* b, int64_t size,
                       const Tolerance& tolerance) {
  LaunchShape shape = thread_each(on, size);
  shape.grid.x = static_cast<unsigned>(counts_of_differences(size));
  launch(count_differences_kernel<T>, shape, counts, a, b, size, tolerance);
}

template void weighted_column_sums(OnCuda, double*, const double*, int64_t, const float*,
                                   const ColumnMajorMatrix&, int64_t, bool);
template void weighted_column_sums(OnCuda, double*, const double*, int64_t, const double*,
                                   const ColumnMajorMatrix&, int64_t, bool);
template void weighted_column_sums(OnCuda, double*, const double*, int64_t, const bfloat16*,
                                   const ColumnMajorMatrix&, int64_t, bool);
template void weighted_column_sums(OnCuda, double*, const double*, int64_t, const float16*,
                                   const ColumnMajorMatrix&, int64_t, bool);

template void count_differences(OnCuda, int32_t*, const float*, const float*, int64_t,
                                const Tolerance&);
template void count_differences(OnCuda, int32_t*, const double*, const double*, int64_t,
                                const Tolerance&);
template void count_differences(OnCuda, int32_t*, const bfloat16*, const bfloat16*, int64_t,
                                const Tolerance&);
template void count_differences(OnCuda, int32_t*, const float16*, const float16*, int64_t,
                                const Tolerance&);

}  // namespace ripieno::kernels::cuda
