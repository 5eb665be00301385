#include "ripieno/kernels/cuda/device/reduce_columns.cuh"
#include "ripieno/kernels/reduce.h"

namespace ripieno::kernels {
namespace {

// One block per output.   in: (outer, axis).
template <Reduction reduction, int width, typename T>
__global__ void __launch_bounds__(1024)
    reduce_rows_kernel(T* out, const T* in, int64_t axis, double scale, bool accumulate) {
  using A = accumulator_t<T>;
  constexpr int kAtOnce = 4;
  const T* const x = in + blockIdx.x * axis;
  const cuda::Reducing<reduction> combine;
  const int64_t stride = int64_t{blockDim.x} * width;
  A value = cuda::Reducing<reduction>::template kIdentity<A>;
  for (int64_t first = int64_t{threadIdx.x} * width; first < axis; first += kAtOnce * stride) {
    cuda::Vector<T, width> part[kAtOnce];
    cuda::unrolled<kAtOnce>([&](int p) {
      if (first + p * stride < axis) part[p] = cuda::load<width>(x + first + p * stride);
    });
    cuda::unrolled<kAtOnce>([&](int p) {
      if (first + p * stride >= axis) return;
      cuda::unrolled<width>([&](int k) { value = combine(value, cuda::widen(part[p][k])); });
    });
  }
  value = cuda::block_reduce(value, combine);
  if (threadIdx.x == 0) cuda::write_reduced(out + blockIdx.x, value, scale, accumulate);
}

// One block per 32 outputs; a warp reduces every eighth index of the axis.   in: (outer, axis,
// inner).
template <Reduction reduction, typename T>
__global__ void reduce_middle_kernel(T* out, const T* in, int64_t outer, int64_t axis,
                                     int64_t inner, double scale, bool accumulate) {
  using A = accumulator_t<T>;
  auto& of_warps = cuda::block_shared<A[cuda::kWarpsPerBlock][cuda::kWarpSize]>();
  const int64_t output = int64_t{blockIdx.x} * cuda::kWarpSize + cuda::lane();
  const unsigned warp = threadIdx.x / cuda::kWarpSize;

  const cuda::Reducing<reduction> combine;
  A value = cuda::Reducing<reduction>::template kIdentity<A>;
  if (output < outer * inner) {
    const T* const x = in + output / inner * axis * inner + output % inner;
    for (int64_t a = warp; a < axis; a += cuda::kWarpsPerBlock) {
      value = combine(value, cuda::widen(x[a * inner]));
    }
  }
  of_warps[warp][cuda::lane()] = value;
  __syncthreads();
  if (warp != 0 || output >= outer * inner) return;
  for (int other = 1; other < cuda::kWarpsPerBlock; ++other) {
    value = combine(value, of_warps[other][cuda::lane()]);
  }
  cuda::write_reduced(out + output, value, scale, accumulate);
}

// One thread per output.   in, grad_in: (outer, axis, inner).
template <typename T>
__global__ void reduce_max_backward_kernel(T* grad_in, const T* grad_out, const T* in, const T* out,
                                           int64_t outer, int64_t axis, int64_t inner) {
  const int64_t output = cuda::global_thread();
  if (output >= outer * inner) return;
  const int64_t first = output / inner * axis * inner + output % inner;
  const auto largest = cuda::widen(out[output]);
  bool found = false;
  for (int64_t a = 0; a < axis; ++a) {
    const int64_t i = first + a * inner;
    const auto x = cuda::widen(in[i]);
    const bool is_first = !found && (x == largest || (x != x && largest != largest));
    grad_in[i] = is_first ? grad_out[output] : T{};
    found = found || is_first;
  }
}

// One thread per output: the product of the elements that are not zero; with one zero, only that
// has a gradient.
template <typename T>
__global__ void reduce_product_backward_kernel(T* grad_in, const T* grad_out, const T* in,
                                               int64_t outer, int64_t axis, int64_t inner) {
  using A = accumulator_t<T>;
  const int64_t output = cuda::global_thread();
  if (output >= outer * inner) return;
  const int64_t first = output / inner * axis * inner + output % inner;
  A product = cuda::widen(grad_out[output]);
  int64_t zeros = 0;
  for (int64_t a = 0; a < axis; ++a) {
    const A x = cuda::widen(in[first + a * inner]);
    if (x == A(0)) ++zeros;
    product *= x == A(0) ? A(1) : x;
  }
  for (int64_t a = 0; a < axis; ++a) {
    const A x = cuda::widen(in[first + a * inner]);
    const A others = zeros == 0 ? product / x : zeros == 1 && x == A(0) ? product : A(0);
    grad_in[first + a * inner] = cuda::narrow<T>(others);
  }
}

template <typename T>
__device__ T term_of(Summand summand, T z, T p) {
  switch (summand) {
    case Summand::kMagnitude:
      return std::fabs(z);
    case Summand::kSquare:
      return z * z;
    case Summand::kPower:
      return std::pow(std::fabs(z), p);
    case Summand::kExp:
      return std::exp(z);
  }
  return z;  // never
}

// One block per output; adjacent threads have adjacent elements.   in: (outer, axis).
template <typename T>
__global__ void sum_rows_of_kernel(T* out, const T* in, const T* center, int64_t axis,
                                   Summand summand, T p) {
  const T* const x = in + blockIdx.x * axis;
  const T middle = center ? center[blockIdx.x] : T(0);
  T sum = 0;
  for (int64_t a = threadIdx.x; a < axis; a += blockDim.x)
    sum += term_of(summand, x[a] - middle, p);
  sum = cuda::block_reduce(sum, cuda::Sum{});
  if (threadIdx.x == 0) out[blockIdx.x] = sum;
}

// One thread per output.   in: (outer, axis, inner).
template <typename T>
__global__ void sum_columns_of_kernel(T* out, const T* in, const T* center, int64_t outer,
                                      int64_t axis, int64_t inner, Summand summand, T p) {
  const int64_t output = cuda::global_thread();
  if (output >= outer * inner) return;
  const T* const x = in + output / inner * axis * inner + output % inner;
  const T middle = center ? center[output] : T(0);
  T sum = 0;
  for (int64_t a = 0; a < axis; ++a) sum += term_of(summand, x[a * inner] - middle, p);
  out[output] = sum;
}

// One block per chunk.
template <int width, typename T>
__global__ void __launch_bounds__(cuda::kBlockSize)
    sum_chunks_of_squares_kernel(double* partials, const T* in, int64_t size) {
  constexpr int kVectors = kSumChunk / (cuda::kBlockSize * width);
  const auto first = [](int v) {
    return blockIdx.x * kSumChunk + (int64_t{v} * cuda::kBlockSize + threadIdx.x) * width;
  };
  cuda::Vector<T, width> vector[kVectors];
  cuda::unrolled<kVectors>([&](int v) {
    if (first(v) + width <= size) vector[v] = cuda::load<width>(in + first(v));
  });
  double sum = 0;
  const auto add = [&sum](T x) {
    const auto value = static_cast<double>(cuda::widen(x));
    sum += value * value;
  };
  cuda::unrolled<kVectors>([&](int v) {
    if (first(v) + width <= size) {
      cuda::unrolled<width>([&](int k) { add(vector[v][k]); });
    } else {
      for (int64_t i = first(v); i < size; ++i) add(in[i]);
    }
  });
  sum = cuda::block_reduce(sum, cuda::Sum{});
  if (threadIdx.x == 0) partials[blockIdx.x] = sum;
}

template <Reduction reduction, typename T>
void reduce_rows(OnCuda on, T* out, const T* in, int64_t outer, int64_t axis, double scale,
                 bool accumulate) {
  cuda::LaunchShape shape = cuda::block_each(on, outer);
  if (axis > 4 * cuda::kBlockSize) shape.block = dim3(1024);
  const bool in_vectors = cuda::is_aligned(in) && axis % cuda::kVectorSize<T> == 0;
  const auto kernel = in_vectors ? reduce_rows_kernel<reduction, cuda::kVectorSize<T>, T>
                                 : reduce_rows_kernel<reduction, 1, T>;
  cuda::launch(kernel, shape, out, in, axis, scale, accumulate);
}

// Number of chunks of rows that are reduced separately, 0 for none. Enough blocks for a large GPU,
// but independent of the device, because the order of summation depends on it.
int64_t reduce_chunks(const ReduceShape& shape) {
  constexpr int64_t kLeastRows = 128, kBlocks = 1024;
  if (shape.outer != 1 || shape.inner == 1 || shape.axis < 2 * kLeastRows) return 0;
  const int64_t strips = cuda::ceil_divide(shape.inner, 64);
  const int64_t most = cuda::ceil_divide(shape.axis, kLeastRows);
  return std::min(most, cuda::ceil_divide(kBlocks, strips));
}

}  // namespace

int64_t reduce_workspace(OnCuda, const ReduceShape& shape) {
  return reduce_chunks(shape) * shape.inner;
}

template <typename T>
void reduce(OnCuda on, T* out, const T* in, void* workspace, const ReduceShape& shape,
            Reduction reduction, double scale, bool accumulate) {
  const int64_t outer = shape.outer, axis = shape.axis, inner = shape.inner;
  if (const int64_t chunks = reduce_chunks(shape); chunks > 0) {
    cuda::reduce_in_chunks(on, out, static_cast<accumulator_t<T>*>(workspace), in, axis, inner,
                           chunks, reduction, scale, accumulate);
    return;
  }
  cuda::for_reduction(reduction, [&]<Reduction known>() {
    if (inner == 1) return reduce_rows<known>(on, out, in, outer, axis, scale, accumulate);
    const int64_t blocks = cuda::ceil_divide(outer * inner, cuda::kWarpSize);
    cuda::launch(reduce_middle_kernel<known, T>, cuda::block_each(on, blocks), out, in, outer, axis,
                 inner, scale, accumulate);
  });
}

template <typename T>
void reduce_max_backward(OnCuda on, T* grad_in, const T* grad_out, const T* in, const T* out,
                         const ReduceShape& shape) {
  const int64_t outer = shape.outer, axis = shape.axis, inner = shape.inner;
  cuda::launch(reduce_max_backward_kernel<T>, cuda::thread_each(on, outer * inner), grad_in,
               grad_out, in, out, outer, axis, inner);
}

template <typename T>
void reduce_product_backward(OnCuda on, T* grad_in, const T* grad_out, const T* in,
                             const ReduceShape& shape) {
  const int64_t outer = shape.outer, axis = shape.axis, inner = shape.inner;
  cuda::launch(reduce_product_backward_kernel<T>, cuda::thread_each(on, outer * inner), grad_in,
               grad_out, in, outer, axis, inner);
}

template <typename T>
void sum_of(OnCuda on, T* out, const T* in, const T* center, const ReduceShape& shape,
            Summand summand, double p) {
  const int64_t outer = shape.outer, axis = shape.axis, inner = shape.inner;
  if (inner == 1) {
    cuda::LaunchShape blocks = cuda::block_each(on, outer);
    if (axis > 4 * cuda::kBlockSize) blocks.block = dim3(1024);
    cuda::launch(sum_rows_of_kernel<T>, blocks, out, in, center, axis, summand, p);
  } else {
    cuda::launch(sum_columns_of_kernel<T>, cuda::thread_each(on, outer * inner), out, in, center,
                 outer, axis, inner, summand, p);
  }
}

template <typename T>
void sum_of_squares(OnCuda on, double* out, double* partials, const T* in, int64_t size) {
  const int64_t chunks = cuda::ceil_divide(size, kSumChunk);
  const auto kernel = cuda::is_aligned(in) ? sum_chunks_of_squares_kernel<cuda::kVectorSize<T>, T>
                                           : sum_chunks_of_squares_kernel<1, T>;
  cuda::launch(kernel, cuda::block_each(on, chunks), partials, in, size);
  reduce_rows<Reduction::kSum>(on, out, static_cast<const double*>(partials), 1, chunks, 1.0,
                               false);
}

template void reduce(OnCuda, float*, const float*, void*, const ReduceShape&, Reduction, double,
                     bool);
template void reduce(OnCuda, double*, const double*, void*, const ReduceShape&, Reduction, double,
                     bool);
template void reduce(OnCuda, bfloat16*, const bfloat16*, void*, const ReduceShape&, Reduction,
                     double, bool);
template void reduce(OnCuda, float16*, const float16*, void*, const ReduceShape&, Reduction, double,
                     bool);

template void reduce_max_backward(OnCuda, float*, const float*, const float*, const float*,
                                  const ReduceShape&);
template void reduce_max_backward(OnCuda, double*, const double*, const double*, const double*,
                                  const ReduceShape&);
template void reduce_max_backward(OnCuda, bfloat16*, const bfloat16*, const bfloat16*,
                                  const bfloat16*, const ReduceShape&);
template void reduce_max_backward(OnCuda, float16*, const float16*, const float16*, const float16*,
                                  const ReduceShape&);

template void reduce_product_backward(OnCuda, float*, const float*, const float*,
                                      const ReduceShape&);
template void reduce_product_backward(OnCuda, double*, const double*, const double*,
                                      const ReduceShape&);
template void reduce_product_backward(OnCuda, bfloat16*, const bfloat16*, const bfloat16*,
                                      const ReduceShape&);
template void reduce_product_backward(OnCuda, float16*, const float16*, const float16*,
                                      const ReduceShape&);

template void sum_of(OnCuda, float*, const float*, const float*, const ReduceShape&, Summand,
                     double);
template void sum_of(OnCuda, double*, const double*, const double*, const ReduceShape&, Summand,
                     double);

template void sum_of_squares(OnCuda, double*, double*, const float*, int64_t);
template void sum_of_squares(OnCuda, double*, double*, const double*, int64_t);
template void sum_of_squares(OnCuda, double*, double*, const bfloat16*, int64_t);
template void sum_of_squares(OnCuda, double*, double*, const float16*, int64_t);

}  // namespace ripieno::kernels
