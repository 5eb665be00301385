#include <cstdint>
#include <type_traits>

#include "ripieno/kernels/cuda/device/rounded_product.cuh"
#include "ripieno/kernels/cuda/flash_attention.cuh"
#include "ripieno/kernels/cuda/flash_attention.h"

// FlashAttention-2 (Dao, arXiv 2307.08691) without tensor cores. A block processes one tile of
// queries of one head (for the gradients of keys and values: of keys), and streams the tiles of the
// other side through shared memory. It computes a slice of the head's channels, one or two tiles
// wide; wider heads need several blocks, each of which recomputes the scores.
namespace ripieno::kernels::cuda {
namespace {

// The tile and the slice that a block computes.
struct Work {
  int64_t strided, dense;  // offsets of the head: in q, k and v; in out
  int64_t statistic;       // offset of the head in (batch, heads, time)
  int first;               // first row (time) of the tile
  int channel;             // first channel of the slice
};

// The last tiles of queries and the first tiles of keys have the most work, so they are started
// first.
template <typename A>
__device__ Work work_of_block(const AttentionShape& shape, int slice, bool last_first) {
  const int64_t slices = ceil_divide(shape.head_size, slice * kTile<A>);
  const int64_t tiles = ceil_divide(shape.time, kTile<A>);
  int64_t rest = blockIdx.x;
  const int channel = static_cast<int>(rest % slices) * slice * kTile<A>;
  rest /= slices;
  const int tile = static_cast<int>(last_first ? tiles - 1 - rest % tiles : rest % tiles);
  rest /= tiles;
  const int64_t head = rest % shape.heads, batch = rest / shape.heads;
  return {batch * shape.qkv_batch_stride + head * shape.head_size,
          (batch * shape.time * shape.heads + head) * shape.head_size, rest * shape.time,
          tile * kTile<A>, channel};
}

// log(sum(exp(scores))) of each query, and the rounding error of that number (attention.h).
template <typename A>
struct LogSumExp {
  A *rounded, *rest;

  static LogSumExp view(A* data, const AttentionShape& shape) {
    return {data, data + shape.batch * shape.heads * shape.time};
  }
  __device__ void store(int64_t at, A largest, A log_sum) const {
    const A sum = largest + log_sum;
    rounded[at] = sum;
    rest[at] = log_sum - (sum - largest);
  }
};

// The inputs of all kernels below. wide: they can be read in vectors of 16 bytes.
template <typename T>
struct Inputs {
  const T *q, *k, *v, *grad_out;
  LogSumExp<const accumulator_t<T>> log_sum_exp;
  const accumulator_t<T>* products;
  AttentionShape shape;
  bool wide;

  template <typename U>
  __device__ Matrix<U> strided(U* data, const Work& work) const {
    return {data + work.strided, static_cast<int>(shape.qkv_time_stride), time(), head_size(),
            wide};
  }
  template <typename U>
  __device__ Matrix<U> dense(U* data, const Work& work) const {
    return {data + work.dense, static_cast<int>(shape.heads) * head_size(), time(), head_size(),
            wide};
  }
  __device__ int time() const { return static_cast<int>(shape.time); }
  __device__ int head_size() const { return static_cast<int>(shape.head_size); }
};

// Rounded separately, so that the backward recomputes exactly the scores of the forward.
template <typename T, typename A>
__device__ A scaled(A score, const Inputs<T>& in) {
  return rounded_product(score, A(in.shape.scale));
}

// a bᵀ, summed over all channels.
template <typename T, typename A>
__device__ Fragment<A> product_of_rows(Tile<A>& left, Tile<A>& right, const Matrix<const T>& a,
                                       const Matrix<const T>& b) {
  Fragment<A> sum;
  for (int channel = 0; channel < a.columns; channel += kTile<A>) {
    __syncthreads();  // other threads may still read the tiles
    load_tile(left, a.from(0, channel));
    load_tile(right, b.from(0, channel));
    __syncthreads();
    add_product_of_rows(sum, left, right);
  }
  return sum;
}

// sums += p b, where `fragment` is this thread's fragment of the matrix p.
template <typename T, typename A, int kSlice>
__device__ void add_products(Fragment<A> (&sums)[kSlice], Tile<A>& left, Tile<A>& right,
                             const Fragment<A>& fragment, const Matrix<const T>& b) {
  unrolled<kSlice>([&](int i) {
    __syncthreads();  // other threads may still read the tiles
    if (i == 0) store_product_of_rows(left, fragment);
    load_tile(right, b.from(0, i * kTile<A>));
    __syncthreads();
    add_product(sums[i], left, right);
  });
}

template <typename T, typename A, int kSlice>
__device__ void store_slice(const Matrix<T>& to, const Fragment<A> (&sums)[kSlice],
                            const A (&factors)[kVectorSize<A>]) {
  unrolled<kSlice>([&](int i) { store_product(to.from(0, i * kTile<A>), sums[i], factors); });
}

// Row and column of element (i, j) of a fragment of product_of_rows(), in a tile that begins at
// `first`.
__device__ int row_of(int first, int i) { return first + thread_y() + kSide * i; }
__device__ int column_of(int first, int j) { return first + thread_x() + kSide * j; }

// Online softmax statistics of a fragment's rows; totals are of exp(score - largest).
template <typename A>
struct Softmax {
  A largest[kVectorSize<A>], total[kVectorSize<A>];

  __device__ Softmax() {
    for (int i = 0; i < kVectorSize<A>; ++i) largest[i] = kLowest<A>, total[i] = 0;
  }

  // Replaces scores by exponentials. Earlier sums must be multiplied by `corrections`.
  __device__ void add(Fragment<A>& scores, A (&corrections)[kVectorSize<A>]) {
    for (int i = 0; i < kVectorSize<A>; ++i) {
      A larger = largest[i];
      for (const A score : scores.values[i]) larger = Max{}(larger, score);
      larger = reduce_over_x(larger, Max{});
      A sum = 0;
      for (A& score : scores.values[i]) {
        score = std::exp(score - larger);
        sum += score;
      }
      corrections[i] = std::exp(largest[i] - larger);
      total[i] = total[i] * corrections[i] + reduce_over_x(sum, Sum{});
      largest[i] = larger;
    }
  }
};

// One block per tile of queries and slice.
template <typename T, int kSlice>
__global__ void __launch_bounds__(kBlockSize, 2)
    forward_kernel(T* out, LogSumExp<accumulator_t<T>> log_sum_exp, Inputs<T> in) {
  using A = accumulator_t<T>;
  Tile<A>& left = block_shared<Tile<A>, 0>();
  Tile<A>& right = block_shared<Tile<A>, 1>();
  const Work work = work_of_block<A>(in.shape, kSlice, true);
  const auto queries = in.strided(in.q, work).from(work.first, 0);
  const auto keys = in.strided(in.k, work), values = in.strided(in.v, work);

  Softmax<A> softmax;
  Fragment<A> sums[kSlice];
  A factors[kVectorSize<A>];
  for (int first = 0; first <= work.first; first += kTile<A>) {
    Fragment<A> scores = product_of_rows(left, right, queries, keys.from(first, 0));
    for (int i = 0; i < kVectorSize<A>; ++i) {
      for (int j = 0; j < kVectorSize<A>; ++j) {
        const bool seen = column_of(first, j) <= row_of(work.first, i);
        scores.values[i][j] = seen ? scaled(scores.values[i][j], in) : kLowest<A>;
      }
    }
    softmax.add(scores, factors);
    for (Fragment<A>& sum : sums) {
      for (int i = 0; i < kVectorSize<A>; ++i) {
        for (A& value : sum.values[i]) value *= factors[i];
      }
    }
    add_products(sums, left, right, scores, values.from(first, work.channel));
  }

  for (int i = 0; i < kVectorSize<A>; ++i) factors[i] = A(1) / softmax.total[i];
  store_slice(in.dense(out, work).from(work.first, work.channel), sums, factors);
  if (work.channel > 0 || thread_x() > 0) return;
  for (int i = 0; i < kVectorSize<A>; ++i) {
    const int time = row_of(work.first, i);
    if (time >= in.time()) continue;
    log_sum_exp.store(work.statistic + time, softmax.largest[i], std::log(softmax.total[i]));
  }
}

// One warp per query.   products = grad_out . out: (batch, heads, time).
template <typename T>
__global__ void multiply_out_kernel(accumulator_t<T>* products, const T* grad_out, const T* out,
                                    AttentionShape shape) {
  const int64_t row = global_warp();  // index in (batch, time, heads)
  if (row >= shape.batch * shape.time * shape.heads) return;
  accumulator_t<T> sum = 0;
  for (int64_t d = lane(); d < shape.head_size; d += kWarpSize) {
    const int64_t at = row * shape.head_size + d;
    sum += widen(grad_out[at]) * widen(out[at]);
  }
  sum = warp_reduce(sum, Sum{});
  if (lane() > 0) return;
  const int64_t head = row % shape.heads, time = row / shape.heads % shape.time;
  const int64_t batch = row / shape.heads / shape.time;
  products[(batch * shape.heads + head) * shape.time + time] = sum;
}

// Replaces a score by its probability, and the gradient of the probability by that of the score.
template <typename T, typename A>
__device__ void differentiate(A& score, A& gradient, const Inputs<T>& in, const Work& work,
                              int query, int key) {
  const bool seen = key <= query && query < in.time();
  const int64_t at = work.statistic + query;
  const A sum = seen ? in.log_sum_exp.rounded[at] : A(0);
  const A rest = seen ? in.log_sum_exp.rest[at] : A(0);
  const A product = seen ? in.products[at] : A(0);
  score = seen ? std::exp((scaled(score, in) - sum) - rest) : A(0);
  gradient = seen ? score * (gradient - product) * A(in.shape.scale) : A(0);
}

template <typename A>
__device__ void set_to_one(A (&factors)[kVectorSize<A>]) {
  for (A& factor : factors) factor = 1;
}

// One block per tile of queries and slice.
template <typename T, int kSlice>
__global__ void __launch_bounds__(kBlockSize, kSlice == 1 ? 2 : 1)
    query_gradient_kernel(T* grad_q, Inputs<T> in) {
  using A = accumulator_t<T>;
  Tile<A>& left = block_shared<Tile<A>, 0>();
  Tile<A>& right = block_shared<Tile<A>, 1>();
  const Work work = work_of_block<A>(in.shape, kSlice, true);
  const auto queries = in.strided(in.q, work).from(work.first, 0);
  const auto grad_out = in.dense(in.grad_out, work).from(work.first, 0);
  const auto keys = in.strided(in.k, work), values = in.strided(in.v, work);

  Fragment<A> sums[kSlice];
  for (int first = 0; first <= work.first; first += kTile<A>) {
    Fragment<A> scores = product_of_rows(left, right, queries, keys.from(first, 0));
    Fragment<A> gradients = product_of_rows(left, right, grad_out, values.from(first, 0));
    for (int i = 0; i < kVectorSize<A>; ++i) {
      for (int j = 0; j < kVectorSize<A>; ++j) {
        differentiate(scores.values[i][j], gradients.values[i][j], in, work, row_of(work.first, i),
                      column_of(first, j));
      }
    }
    add_products(sums, left, right, gradients, keys.from(first, work.channel));
  }
  A ones[kVectorSize<A>];
  set_to_one(ones);
  store_slice(in.strided(grad_q, work).from(work.first, work.channel), sums, ones);
}

// Minimum number of resident blocks per multiprocessor, limited by registers.
template <typename T, int kSlice>
constexpr int kKeyValueBlocks = kSlice == 1 && std::is_same_v<T, float> ? 2 : 1;

// One block per tile of keys and slice.
template <typename T, int kSlice>
__global__ void __launch_bounds__(kBlockSize, kKeyValueBlocks<T, kSlice>)
    key_value_gradient_kernel(T* grad_k, T* grad_v, Inputs<T> in) {
  using A = accumulator_t<T>;
  Tile<A>& left = block_shared<Tile<A>, 0>();
  Tile<A>& right = block_shared<Tile<A>, 1>();
  const Work work = work_of_block<A>(in.shape, kSlice, false);
  const auto keys = in.strided(in.k, work).from(work.first, 0);
  const auto values = in.strided(in.v, work).from(work.first, 0);
  const auto queries = in.strided(in.q, work), grad_out = in.dense(in.grad_out, work);

  Fragment<A> key_sums[kSlice], value_sums[kSlice];
  for (int first = work.first; first < in.time(); first += kTile<A>) {
    Fragment<A> scores = product_of_rows(left, right, keys, queries.from(first, 0));
    Fragment<A> gradients = product_of_rows(left, right, values, grad_out.from(first, 0));
    for (int i = 0; i < kVectorSize<A>; ++i) {
      for (int j = 0; j < kVectorSize<A>; ++j) {
        differentiate(scores.values[i][j], gradients.values[i][j], in, work, column_of(first, j),
                      row_of(work.first, i));
      }
    }
    add_products(value_sums, left, right, scores, grad_out.from(first, work.channel));
    add_products(key_sums, left, right, gradients, queries.from(first, work.channel));
  }
  A ones[kVectorSize<A>];
  set_to_one(ones);
  store_slice(in.strided(grad_k, work).from(work.first, work.channel), key_sums, ones);
  store_slice(in.strided(grad_v, work).from(work.first, work.channel), value_sums, ones);
}

template <typename T>
bool rows_are_aligned(const AttentionShape& shape) {
  return shape.head_size % kVectorSize<T> == 0 && shape.qkv_time_stride % kVectorSize<T> == 0 &&
         shape.qkv_batch_stride % kVectorSize<T> == 0;
}

// Calls body(slice width in tiles, launch shape).
template <typename T, typename Body>
void for_slices(OnCuda on, const AttentionShape& shape, Body body) {
  using A = accumulator_t<T>;
  const auto call = [&](auto slice) {
    const int64_t tiles = ceil_divide(shape.time, kTile<A>);
    const int64_t slices = ceil_divide(shape.head_size, slice() * kTile<A>);
    body(slice, block_each(on, shape.batch * shape.heads * tiles * slices));
  };
  if (shape.head_size <= kTile<A>) {
    call(std::integral_constant<int, 1>{});
  } else {
    call(std::integral_constant<int, 2>{});
  }
}

}  // namespace

template <typename T>
void flash_attention_forward(OnCuda on, T* out, accumulator_t<T>* log_sum_exp, const T* q,
                             const T* k, const T* v, const AttentionShape& shape) {
  const bool wide = rows_are_aligned<T>(shape) && is_aligned(out, q, k, v);
  const Inputs<T> in{q, k, v, nullptr, {}, nullptr, shape, wide};
  const auto sums = LogSumExp<accumulator_t<T>>::view(log_sum_exp, shape);
  for_slices<T>(on, shape, [&](auto slice, const LaunchShape& blocks) {
    launch(forward_kernel<T, slice()>, blocks, out, sums, in);
  });
}

template <typename T>
void flash_attention_backward(OnCuda on, const AttentionBackwardArguments<T>& args,
                              const AttentionShape& shape) {
  auto* const products = static_cast<accumulator_t<T>*>(args.workspace);  // (batch, heads, time)
  const int64_t rows = shape.batch * shape.time * shape.heads;
  launch(multiply_out_kernel<T>, warp_each(on, rows), products, args.grad_out, args.out, shape);
  const bool wide = rows_are_aligned<T>(shape) && is_aligned(args.q, args.k, args.v, args.grad_out,
                                                             args.grad_q, args.grad_k, args.grad_v);
  const auto sums = LogSumExp<const accumulator_t<T>>::view(args.log_sum_exp, shape);
  const Inputs<T> in{args.q, args.k, args.v, args.grad_out, sums, products, shape, wide};
  for_slices<T>(on, shape, [&](auto slice, const LaunchShape& blocks) {
    launch(query_gradient_kernel<T, slice()>, blocks, args.grad_q, in);
    launch(key_value_gradient_kernel<T, slice()>, blocks, args.grad_k, args.grad_v, in);
  });
}

template void flash_attention_forward(OnCuda, float*, float*, const float*, const float*,
                                      const float*, const AttentionShape&);
template void flash_attention_forward(OnCuda, double*, double*, const double*, const double*,
                                      const double*, const AttentionShape&);
template void flash_attention_forward(OnCuda, bfloat16*, float*, const bfloat16*, const bfloat16*,
                                      const bfloat16*, const AttentionShape&);
template void flash_attention_forward(OnCuda, float16*, float*, const float16*, const float16*,
                                      const float16*, const AttentionShape&);

template void flash_attention_backward(OnCuda, const AttentionBackwardArguments<float>&,
                                       const AttentionShape&);
template void flash_attention_backward(OnCuda, const AttentionBackwardArguments<double>&,
                                       const AttentionShape&);
template void flash_attention_backward(OnCuda, const AttentionBackwardArguments<bfloat16>&,
                                       const AttentionShape&);
template void flash_attention_backward(OnCuda, const AttentionBackwardArguments<float16>&,
                                       const AttentionShape&);

}  // namespace ripieno::kernels::cuda
