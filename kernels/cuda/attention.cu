#include "ripieno/kernels/attention.h"
#include "ripieno/kernels/cuda/device.cuh"

namespace ripieno::kernels {
namespace {

// A warp works on one query (or, for the gradients of keys and values, on one key) of one head, and
// takes the other side 32 at a time, a lane each. What it adds up is as wide as a head: each lane
// holds every 32nd channel of a slice, and what is wider than a slice is done by more warps.
constexpr int kChannelsPerLane = 8;
constexpr int kSlice = kChannelsPerLane * cuda::kWarpSize;

// What a warp works on.
struct Work {
  int64_t batch = 0, head = 0, time = 0;
  int64_t first_channel = 0;  // of the slice
  bool any = false;
};

__device__ Work work_of_warp(const AttentionShape& shape) {
  const int64_t slices = cuda::ceil_divide(shape.head_size, kSlice);
  int64_t rest = cuda::global_warp();
  Work work;
  work.first_channel = rest % slices * kSlice;
  rest /= slices;
  work.time = rest % shape.time;
  rest /= shape.time;
  work.head = rest % shape.heads;
  work.batch = rest / shape.heads;
  work.any = work.batch < shape.batch;
  return work;
}

cuda::LaunchShape warp_each_time(OnCuda on, const AttentionShape& shape) {
  const int64_t slices = cuda::ceil_divide(shape.head_size, kSlice);
  return cuda::warp_each(on, shape.batch * shape.heads * shape.time * slices);
}

// The head of a work in q, k or v at one time, in out, and in what is kept per (batch, head, time).
__device__ int64_t strided_at(const AttentionShape& shape, const Work& work, int64_t time) {
  return work.batch * shape.qkv_batch_stride + time * shape.qkv_time_stride +
         work.head * shape.head_size;
}
__device__ int64_t dense_at(const AttentionShape& shape, const Work& work, int64_t time) {
  return ((work.batch * shape.time + time) * shape.heads + work.head) * shape.head_size;
}
__device__ int64_t statistic_at(const AttentionShape& shape, const Work& work, int64_t time) {
  return (work.batch * shape.heads + work.head) * shape.time + time;
}

template <typename T>
__device__ accumulator_t<T> dot(const T* a, const T* b, int64_t size) {
  accumulator_t<T> sum = 0;
  for (int64_t d = 0; d < size; ++d) sum += cuda::widen(a[d]) * cuda::widen(b[d]);
  return sum;
}

// A slice of a head, spread over the lanes of a warp.
template <typename T>
struct Slice {
  using A = accumulator_t<T>;
  A values[kChannelsPerLane] = {};
  int64_t first_channel, head_size;

  __device__ Slice(const Work& work, const AttentionShape& shape)
      : first_channel(work.first_channel + cuda::lane()), head_size(shape.head_size) {}

  __device__ void add(A factor, const T* head) {
    for (int j = 0; j < kChannelsPerLane; ++j) {
      const int64_t channel = first_channel + j * cuda::kWarpSize;
      if (channel < head_size) values[j] += factor * cuda::widen(head[channel]);
    }
  }
  __device__ void scale(A factor) {
    for (A& value : values) value *= factor;
  }
  __device__ void store(T* head) const {
    for (int j = 0; j < kChannelsPerLane; ++j) {
      const int64_t channel = first_channel + j * cuda::kWarpSize;
      if (channel < head_size) head[channel] = static_cast<T>(values[j]);
    }
  }
};

// One warp a query.
template <typename T>
__global__ void forward_kernel(T* out, accumulator_t<T>* log_sum_exp, const T* q, const T* k,
                               const T* v, AttentionShape shape) {
  using A = accumulator_t<T>;
  const Work work = work_of_warp(shape);
  if (!work.any) return;
  const T* const query = q + strided_at(shape, work, work.time);

  Slice<T> sum(work, shape);  // of exp(score - largest) v
  A largest = cuda::kLowest<A>, total = 0;
  for (int64_t first = 0; first <= work.time; first += cuda::kWarpSize) {
    const int64_t time = first + cuda::lane();
    const bool seen = time <= work.time;
    const T* const key = k + strided_at(shape, work, seen ? time : 0);
    const A score = seen ? A(shape.scale) * dot(query, key, shape.head_size) : cuda::kLowest<A>;
    const A larger = cuda::Max{}(largest, cuda::warp_reduce(score, cuda::Max{}));
    const A weight = std::exp(score - larger);
    const A correction = std::exp(largest - larger);
    largest = larger;
    total = total * correction + cuda::warp_reduce(weight, cuda::Sum{});
    sum.scale(correction);
    for (int other = 0; other < cuda::kWarpSize && first + other <= work.time; ++other) {
      sum.add(__shfl_sync(cuda::kWholeWarp, weight, other),
              v + strided_at(shape, work, first + other));
    }
  }
  sum.scale(A(1) / total);
  sum.store(out + dense_at(shape, work, work.time));
  if (work.first_channel == 0 && cuda::lane() == 0) {
    log_sum_exp[statistic_at(shape, work, work.time)] = largest + std::log(total);
  }
}

// One thread a query.   products = grad_out . out: (batch, heads, time)
template <typename T>
__global__ void multiply_out_kernel(accumulator_t<T>* products, const T* grad_out, const T* out,
                                    AttentionShape shape) {
  const int64_t i = cuda::global_thread();
  if (i >= shape.batch * shape.heads * shape.time) return;
  Work work;
  work.time = i % shape.time;
  work.head = i / shape.time % shape.heads;
  work.batch = i / shape.time / shape.heads;
  const int64_t at = dense_at(shape, work, work.time);
  products[i] = dot(grad_out + at, out + at, shape.head_size);
}

// What a pair of a query and a key adds to the gradients.
template <typename A>
struct Pair {
  A probability = 0, score_gradient = 0;
};

template <typename T>
struct Backward {
  using A = accumulator_t<T>;
  const T *grad_out, *q, *k, *v;
  const A *log_sum_exp, *products;
  AttentionShape shape;

  __device__ Pair<A> pair(const Work& work, int64_t query_time, int64_t key_time) const {
    const T* const key = k + strided_at(shape, work, key_time);
    const T* const value = v + strided_at(shape, work, key_time);
    const T* const query = q + strided_at(shape, work, query_time);
    const T* const gradient = grad_out + dense_at(shape, work, query_time);
    const int64_t statistic = statistic_at(shape, work, query_time);
    const A score = A(shape.scale) * dot(query, key, shape.head_size);
    const A probability = std::exp(score - log_sum_exp[statistic]);
    const A change = dot(gradient, value, shape.head_size) - products[statistic];
    return {probability, probability * change * A(shape.scale)};
  }
};

// One warp a query.
template <typename T>
__global__ void query_gradient_kernel(T* grad_q, Backward<T> backward) {
  const AttentionShape& shape = backward.shape;
  const Work work = work_of_warp(shape);
  if (!work.any) return;
  Slice<T> sum(work, shape);
  for (int64_t first = 0; first <= work.time; first += cuda::kWarpSize) {
    const int64_t time = first + cuda::lane();
    Pair<accumulator_t<T>> mine;
    if (time <= work.time) mine = backward.pair(work, work.time, time);
    for (int other = 0; other < cuda::kWarpSize && first + other <= work.time; ++other) {
      sum.add(__shfl_sync(cuda::kWholeWarp, mine.score_gradient, other),
              backward.k + strided_at(shape, work, first + other));
    }
  }
  sum.store(grad_q + strided_at(shape, work, work.time));
}

// One warp a key.
template <typename T>
__global__ void key_value_gradient_kernel(T* grad_k, T* grad_v, Backward<T> backward) {
  const AttentionShape& shape = backward.shape;
  const Work work = work_of_warp(shape);
  if (!work.any) return;
  Slice<T> key_sum(work, shape), value_sum(work, shape);
  for (int64_t first = work.time; first < shape.time; first += cuda::kWarpSize) {
    const int64_t time = first + cuda::lane();
    Pair<accumulator_t<T>> mine;
    if (time < shape.time) mine = backward.pair(work, time, work.time);
    for (int other = 0; other < cuda::kWarpSize && first + other < shape.time; ++other) {
      const int64_t query_time = first + other;
      key_sum.add(__shfl_sync(cuda::kWholeWarp, mine.score_gradient, other),
                  backward.q + strided_at(shape, work, query_time));
      value_sum.add(__shfl_sync(cuda::kWholeWarp, mine.probability, other),
                    backward.grad_out + dense_at(shape, work, query_time));
    }
  }
  key_sum.store(grad_k + strided_at(shape, work, work.time));
  value_sum.store(grad_v + strided_at(shape, work, work.time));
}

}  // namespace

template <typename T>
void attention_forward(OnCuda on, T* out, accumulator_t<T>* log_sum_exp, const T* q, const T* k,
                       const T* v, const AttentionShape& shape) {
  cuda::launch(forward_kernel<T>, warp_each_time(on, shape), out, log_sum_exp, q, k, v, shape);
}

template <typename T>
void attention_backward(OnCuda on, T* grad_q, T* grad_k, T* grad_v, accumulator_t<T>* workspace,
                        const T* grad_out, const T* q, const T* k, const T* v, const T* out,
                        const accumulator_t<T>* log_sum_exp, const AttentionShape& shape) {
  const int64_t queries = shape.batch * shape.heads * shape.time;
  cuda::launch(multiply_out_kernel<T>, cuda::thread_each(on, queries), workspace, grad_out, out,
               shape);
  const Backward<T> backward{grad_out, q, k, v, log_sum_exp, workspace, shape};
  cuda::launch(query_gradient_kernel<T>, warp_each_time(on, shape), grad_q, backward);
  cuda::launch(key_value_gradient_kernel<T>, warp_each_time(on, shape), grad_k, grad_v, backward);
}

template void attention_forward(OnCuda, float*, float*, const float*, const float*, const float*,
                                const AttentionShape&);
template void attention_forward(OnCuda, double*, double*, const double*, const double*,
                                const double*, const AttentionShape&);
template void attention_forward(OnCuda, bfloat16*, float*, const bfloat16*, const bfloat16*,
                                const bfloat16*, const AttentionShape&);
template void attention_forward(OnCuda, float16*, float*, const float16*, const float16*,
                                const float16*, const AttentionShape&);

template void attention_backward(OnCuda, float*, float*, float*, float*, const float*, const float*,
                                 const float*, const float*, const float*, const float*,
                                 const AttentionShape&);
template void attention_backward(OnCuda, double*, double*, double*, double*, const double*,
                                 const double*, const double*, const double*, const double*,
                                 const double*, const AttentionShape&);
template void attention_backward(OnCuda, bfloat16*, bfloat16*, bfloat16*, float*, const bfloat16*,
                                 const bfloat16*, const bfloat16*, const bfloat16*, const bfloat16*,
                                 const float*, const AttentionShape&);
template void attention_backward(OnCuda, float16*, float16*, float16*, float*, const float16*,
                                 const float16*, const float16*, const float16*, const float16*,
                                 const float*, const AttentionShape&);

}  // namespace ripieno::kernels
