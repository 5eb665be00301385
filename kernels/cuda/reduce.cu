#include "ripieno/kernels/cuda/device.cuh"
#include "ripieno/kernels/reduce.h"

namespace ripieno::kernels {
namespace {

struct Combine {
  Reduction reduction;

  template <typename A>
  __device__ A operator()(A a, A b) const {
    return reduction == Reduction::kSum ? cuda::Sum{}(a, b) : cuda::Max{}(a, b);
  }
};

template <typename A>
__device__ A nothing(Reduction reduction) {
  return reduction == Reduction::kSum ? A(0) : cuda::kLowest<A>;
}

template <typename T>
__device__ void write(T* out, accumulator_t<T> value, double scale, bool accumulate) {
  value *= static_cast<accumulator_t<T>>(scale);
  *out = static_cast<T>(accumulate ? cuda::widen(*out) + value : value);
}

// One block an output.   in: (outer, axis)
template <typename T>
__global__ void reduce_rows_kernel(T* out, const T* in, int64_t axis, Reduction reduction,
                                   double scale, bool accumulate) {
  using A = accumulator_t<T>;
  const T* const x = in + blockIdx.x * axis;
  const Combine combine{reduction};
  A value = nothing<A>(reduction);
  for (int64_t a = threadIdx.x; a < axis; a += blockDim.x) {
    value = combine(value, cuda::widen(x[a]));
  }
  value = cuda::block_reduce(value, combine);
  if (threadIdx.x == 0) write(out + blockIdx.x, value, scale, accumulate);
}

// One block 32 outputs, a warp every eighth place of the axis.   in: (outer, axis, inner)
template <typename T>
__global__ void reduce_columns_kernel(T* out, const T* in, int64_t outer, int64_t axis,
                                      int64_t inner, Reduction reduction, double scale,
                                      bool accumulate) {
  using A = accumulator_t<T>;
  auto& of_warps = cuda::block_shared<A[cuda::kWarpsPerBlock][cuda::kWarpSize]>();
  const int64_t output = int64_t{blockIdx.x} * cuda::kWarpSize + cuda::lane();
  const unsigned warp = threadIdx.x / cuda::kWarpSize;

  const Combine combine{reduction};
  A value = nothing<A>(reduction);
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
  write(out + output, value, scale, accumulate);
}

// One thread an output.   in, grad_in: (outer, axis, inner)
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
    const bool here = !found && cuda::widen(in[i]) == largest;
    grad_in[i] = here ? grad_out[output] : static_cast<T>(0.0f);
    found = found || here;
  }
}

// One block a chunk.
template <typename T>
__global__ void sum_chunks_of_squares_kernel(double* partials, const T* in, int64_t size) {
  const int64_t begin = blockIdx.x * kSumChunk;
  const int64_t end = begin + kSumChunk < size ? begin + kSumChunk : size;
  double sum = 0;
  for (int64_t i = begin + threadIdx.x; i < end; i += blockDim.x) {
    const auto value = static_cast<double>(cuda::widen(in[i]));
    sum += value * value;
  }
  sum = cuda::block_reduce(sum, cuda::Sum{});
  if (threadIdx.x == 0) partials[blockIdx.x] = sum;
}

// One block for all.
__global__ void add_partials_kernel(double* out, const double* partials, int64_t count) {
  double sum = 0;
  for (int64_t i = threadIdx.x; i < count; i += blockDim.x) sum += partials[i];
  sum = cuda::block_reduce(sum, cuda::Sum{});
  if (threadIdx.x == 0) *out = sum;
}

}  // namespace

template <typename T>
void reduce(OnCuda on, T* out, const T* in, int64_t outer, int64_t axis, int64_t inner,
            Reduction reduction, double scale, bool accumulate) {
  if (inner == 1) {
    cuda::launch(reduce_rows_kernel<T>, cuda::block_each(on, outer), out, in, axis, reduction,
                 scale, accumulate);
    return;
  }
  const int64_t blocks = cuda::ceil_divide(outer * inner, cuda::kWarpSize);
  cuda::launch(reduce_columns_kernel<T>, cuda::block_each(on, blocks), out, in, outer, axis, inner,
               reduction, scale, accumulate);
}

template <typename T>
void reduce_max_backward(OnCuda on, T* grad_in, const T* grad_out, const T* in, const T* out,
                         int64_t outer, int64_t axis, int64_t inner) {
  cuda::launch(reduce_max_backward_kernel<T>, cuda::thread_each(on, outer * inner), grad_in,
               grad_out, in, out, outer, axis, inner);
}

template <typename T>
void sum_of_squares(OnCuda on, double* out, double* partials, const T* in, int64_t size) {
  const int64_t chunks = cuda::ceil_divide(size, kSumChunk);
  cuda::launch(sum_chunks_of_squares_kernel<T>, cuda::block_each(on, chunks), partials, in, size);
  cuda::launch(add_partials_kernel, cuda::block_each(on, 1), out, partials, chunks);
}

template void reduce(OnCuda, float*, const float*, int64_t, int64_t, int64_t, Reduction, double,
                     bool);
template void reduce(OnCuda, double*, const double*, int64_t, int64_t, int64_t, Reduction, double,
                     bool);
template void reduce(OnCuda, bfloat16*, const bfloat16*, int64_t, int64_t, int64_t, Reduction,
                     double, bool);
template void reduce(OnCuda, float16*, const float16*, int64_t, int64_t, int64_t, Reduction, double,
                     bool);

template void reduce_max_backward(OnCuda, float*, const float*, const float*, const float*, int64_t,
                                  int64_t, int64_t);
template void reduce_max_backward(OnCuda, double*, const double*, const double*, const double*,
                                  int64_t, int64_t, int64_t);
template void reduce_max_backward(OnCuda, bfloat16*, const bfloat16*, const bfloat16*,
                                  const bfloat16*, int64_t, int64_t, int64_t);
template void reduce_max_backward(OnCuda, float16*, const float16*, const float16*, const float16*,
                                  int64_t, int64_t, int64_t);

template void sum_of_squares(OnCuda, double*, double*, const float*, int64_t);
template void sum_of_squares(OnCuda, double*, double*, const double*, int64_t);
template void sum_of_squares(OnCuda, double*, double*, const bfloat16*, int64_t);
template void sum_of_squares(OnCuda, double*, double*, const float16*, int64_t);

}  // namespace ripieno::kernels
