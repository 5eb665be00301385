#include "ripieno/kernels/cuda/device/device.cuh"
#include "ripieno/kernels/order.h"

namespace ripieno::kernels {
namespace {

template <typename T>
__device__ auto number(T value) {
  if constexpr (sizeof(T) == 2) {
    return cuda::widen(value);
  } else if constexpr (sizeof(T) == 1) {
    return static_cast<int32_t>(value);
  } else {
    return value;
  }
}

// Values with their positions in the row.
template <typename T>
struct Pairs {
  T* values;
  int64_t* order;
};

// One thread per element.
template <typename T>
__global__ void begin_sort_kernel(Pairs<T> to, const T* in, int64_t size, int64_t cols) {
  const int64_t i = cuda::global_thread();
  if (i >= size) return;
  to.values[i] = in[i];
  to.order[i] = i % cols;
}

// Merges neighbors of `width` sorted elements within rows. One thread per element: it counts those
// of the other neighbor that come before its own, by bisection.
template <typename T>
__global__ void merge_kernel(Pairs<T> to, Pairs<T> from, int64_t size, int64_t cols, int64_t width,
                             bool descending) {
  const int64_t i = cuda::global_thread();
  if (i >= size) return;
  const int64_t row = i / cols * cols, at = i - row;
  const int64_t begin = at / (2 * width) * (2 * width);
  const int64_t middle = begin + width < cols ? begin + width : cols;
  const int64_t end = begin + 2 * width < cols ? begin + 2 * width : cols;
  const bool is_left = at < middle;
  const auto own = number(from.values[i]);
  int64_t low = is_left ? middle : begin, high = is_left ? end : middle;
  const int64_t first = low;
  while (low < high) {
    const int64_t probe = (low + high) / 2;
    const auto other = number(from.values[row + probe]);
    // Of equal elements, those on the left come first.
    const bool comes_before = is_left ? formulas::is_before(other, own, descending)
                                      : !formulas::is_before(own, other, descending);
    if (comes_before) {
      low = probe + 1;
    } else {
      high = probe;
    }
  }
  const int64_t rank_of_own = is_left ? at - begin : at - middle;
  const int64_t target = row + begin + rank_of_own + (low - first);
  to.values[target] = from.values[i];
  to.order[target] = from.order[i];
}

// One warp per output.
template <typename T>
__global__ void argument_kernel(int64_t* out, const T* in, int64_t outputs, int64_t axis,
                                int64_t inner, bool least) {
  const int64_t output = cuda::global_warp();
  if (output >= outputs) return;
  const T* const x = in + output / inner * axis * inner + output % inner;
  int64_t best = cuda::lane() < axis ? cuda::lane() : 0;
  auto best_value = number(x[best * inner]);
  const auto take = [&](decltype(best_value) value, int64_t a) {
    const bool is_better = formulas::is_more_extreme(value, best_value, least);
    if (is_better || (a < best && !formulas::is_more_extreme(best_value, value, least))) {
      best = a;
      best_value = value;
    }
  };
  for (int64_t a = cuda::lane() + cuda::kWarpSize; a < axis; a += cuda::kWarpSize) {
    take(number(x[a * inner]), a);
  }
  for (int offset = cuda::kWarpSize / 2; offset > 0; offset /= 2) {
    const auto value = __shfl_xor_sync(cuda::kWholeWarp, best_value, offset);
    const int64_t a = __shfl_xor_sync(cuda::kWholeWarp, best, offset);
    take(value, a);
  }
  if (cuda::lane() == 0) out[output] = best;
}

// The type in which sums of T are computed; integers wrap around.
template <typename T>
using sum_t = std::conditional_t<std::is_integral_v<T>, uint64_t, accumulator_t<T>>;

template <typename T>
__device__ sum_t<T> as_sum(T value) {
  if constexpr (std::is_integral_v<T>) {
    return static_cast<uint64_t>(value);
  } else {
    return cuda::widen(value);
  }
}

// The type in which those sums are added up: in float, a long sum would stop at 2^24 times an
// element.
template <typename T>
using total_t = std::conditional_t<std::is_integral_v<T>, uint64_t, double>;

// One warp per line: it adds up 32 elements at a time.
template <typename T>
__global__ void cumulative_sum_kernel(T* out, const T* in, int64_t lines, int64_t axis,
                                      int64_t inner, bool reverse) {
  const int64_t line = cuda::global_warp();
  if (line >= lines) return;
  const int64_t first = line / inner * axis * inner + line % inner;
  total_t<T> before = 0;
  for (int64_t begin = 0; begin < axis; begin += cuda::kWarpSize) {
    const int64_t k = begin + cuda::lane();
    const int64_t at = first + (reverse ? axis - 1 - k : k) * inner;
    sum_t<T> sum = k < axis ? as_sum(in[at]) : sum_t<T>(0);
    for (int distance = 1; distance < cuda::kWarpSize; distance *= 2) {
      const sum_t<T> left = __shfl_up_sync(cuda::kWholeWarp, sum, distance);
      if (cuda::lane() >= distance) sum += left;
    }
    const total_t<T> total = before + static_cast<total_t<T>>(sum);
    before = __shfl_sync(cuda::kWholeWarp, total, cuda::kWarpSize - 1);
    if (k >= axis) continue;
    if constexpr (std::is_integral_v<T>) {
      out[at] = static_cast<T>(total);
    } else {
      out[at] = cuda::narrow<T>(static_cast<sum_t<T>>(total));
    }
  }
}

// One block per output.
__global__ void reduce_integers_kernel(int64_t* out, const int64_t* in, int64_t axis, int64_t inner,
                                       IntegerReduction reduction) {
  const int64_t output = blockIdx.x;
  const int64_t* const x = in + output / inner * axis * inner + output % inner;
  int64_t result = formulas::identity_of(reduction);
  for (int64_t a = threadIdx.x; a < axis; a += blockDim.x) {
    result = formulas::combined(reduction, result, x[a * inner]);
  }
  result = cuda::block_reduce(
      result, [=](int64_t a, int64_t b) { return formulas::combined(reduction, a, b); });
  if (threadIdx.x == 0) out[output] = result;
}

template <typename T>
std::size_t values_bytes(int64_t size) {
  return (static_cast<std::size_t>(size) * sizeof(T) + 15) / 16 * 16;
}

}  // namespace

template <typename T>
std::size_t sort_rows_workspace(OnCuda, int64_t rows, int64_t cols) {
  return values_bytes<T>(rows * cols) + static_cast<std::size_t>(rows * cols) * sizeof(int64_t);
}

template <typename T>
void sort_rows(OnCuda on, T* values, int64_t* order, void* workspace, const T* in, int64_t rows,
               int64_t cols, bool descending) {
  const int64_t size = rows * cols;
  const cuda::LaunchShape shape = cuda::thread_each(on, size);
  auto* const bytes = static_cast<unsigned char*>(workspace);
  Pairs<T> to{values, order};
  Pairs<T> from{reinterpret_cast<T*>(bytes),
                reinterpret_cast<int64_t*>(bytes + values_bytes<T>(size))};
  int passes = 0;
  for (int64_t width = 1; width < cols; width *= 2) ++passes;
  if (passes % 2 == 0) std::swap(to, from);  // so that the last pass writes the result
  cuda::launch(begin_sort_kernel<T>, shape, from, in, size, cols);
  for (int64_t width = 1; width < cols; width *= 2) {
    cuda::launch(merge_kernel<T>, shape, to, from, size, cols, width, descending);
    std::swap(to, from);
  }
}

template <typename T>
void argument_of_extreme(OnCuda on, int64_t* out, const T* in, const ReduceShape& shape,
                         bool least) {
  const int64_t outputs = shape.outer * shape.inner;
  cuda::launch(argument_kernel<T>, cuda::warp_each(on, outputs), out, in, outputs, shape.axis,
               shape.inner, least);
}

template <typename T>
void cumulative_sum(OnCuda on, T* out, const T* in, const ReduceShape& shape, bool reverse) {
  const int64_t lines = shape.outer * shape.inner;
  cuda::launch(cumulative_sum_kernel<T>, cuda::warp_each(on, lines), out, in, lines, shape.axis,
               shape.inner, reverse);
}

void reduce_integers(OnCuda on, int64_t* out, const int64_t* in, const ReduceShape& shape,
                     IntegerReduction reduction) {
  cuda::launch(reduce_integers_kernel, cuda::block_each(on, shape.outer * shape.inner), out, in,
               shape.axis, shape.inner, reduction);
}

#define RIPIENO_ORDER(T)                                                                  \
  template std::size_t sort_rows_workspace<T>(OnCuda, int64_t, int64_t);                  \
  template void sort_rows(OnCuda, T*, int64_t*, void*, const T*, int64_t, int64_t, bool); \
  template void argument_of_extreme(OnCuda, int64_t*, const T*, const ReduceShape&, bool)
#define RIPIENO_CUMULATIVE_SUM(T) \
  template void cumulative_sum(OnCuda, T*, const T*, const ReduceShape&, bool)

RIPIENO_ORDER(float);
RIPIENO_ORDER(double);
RIPIENO_ORDER(bfloat16);
RIPIENO_ORDER(float16);
RIPIENO_ORDER(int64_t);
RIPIENO_ORDER(int32_t);
RIPIENO_ORDER(uint8_t);
RIPIENO_CUMULATIVE_SUM(float);
RIPIENO_CUMULATIVE_SUM(double);
RIPIENO_CUMULATIVE_SUM(bfloat16);
RIPIENO_CUMULATIVE_SUM(float16);
RIPIENO_CUMULATIVE_SUM(int64_t);

#undef RIPIENO_ORDER
#undef RIPIENO_CUMULATIVE_SUM

}  // namespace ripieno::kernels
