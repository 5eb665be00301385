#include <cstdint>
#include <type_traits>

#include "ripieno/kernels/attention_keys.h"
#include "ripieno/kernels/cuda/device/rounded_product.cuh"
#include "ripieno/kernels/cuda/dropout.cuh"
#include "ripieno/kernels/cuda/flash_attention.cuh"
#include "ripieno/kernels/cuda/flash_attention.h"

// FlashAttention-2 (Dao, arXiv 2307.08691) without tensor cores. A block processes one tile of
// queries of one head (for the gradients of keys and values: of keys), and streams the tiles of the
// other side through shared memory. It computes a slice of the head's channels, one or two tiles
// wide; wider heads need several blocks, each of which recomputes the scores. Each kernel is
// compiled for causal self-attention, and for all that MaskedAttentionShape and AttentionMasks
// describe.
namespace ripieno::kernels::cuda {
namespace {

// The tile and the slice that a block computes.
struct Work {
  int batch, head;  // of the queries, or of the keys
  int first;        // first row (time) of the tile
  int channel;      // first channel of the slice
};

// Work on tiles of `rows` rows of `heads` heads. The last tiles of queries and the first tiles of
// keys have the most work if attention is causal, so they are started first.
template <typename A>
__device__ Work work_of_block(int64_t rows, int64_t heads, int64_t head_size, int slice,
                              bool last_first) {
  const int64_t slices = ceil_divide(head_size, slice * kTile<A>);
  const int64_t tiles = ceil_divide(rows, kTile<A>);
  int64_t rest = blockIdx.x;
  const int channel = static_cast<int>(rest % slices) * slice * kTile<A>;
  rest /= slices;
  const int tile = static_cast<int>(last_first ? tiles - 1 - rest % tiles : rest % tiles);
  rest /= tiles;
  return {static_cast<int>(rest / heads), static_cast<int>(rest % heads), tile * kTile<A>, channel};
}

// Keys from begin to end - 1.
struct Keys {
  int begin, end;
  __device__ bool contain(int key) const { return key >= begin && key < end; }
};

// log(sum(exp(scores))) of each query, and the rounding error of that number (attention.h).
template <typename A>
struct LogSumExp {
  A *rounded, *rest;

  static LogSumExp view(A* data, const MaskedAttentionShape& shape) {
    return {data, data + shape.batch * shape.heads * shape.queries};
  }
  __device__ void store(int64_t at, A largest, A log_sum) const {
    const A sum = largest + log_sum;
    rounded[at] = sum;
    rest[at] = log_sum - (sum - largest);
  }
};

// The inputs of all kernels below. wide: they can be read in vectors of 16 bytes. kMasked: false
// for causal self-attention, where every query has as many keys as its index and one.
template <typename T, bool kMasked>
struct Inputs {
  using A = accumulator_t<T>;

  const T *q, *k, *v, *grad_out;
  LogSumExp<const A> log_sum_exp;
  const A* products;
  MaskedAttentionShape shape;
  AttentionMasks<T> masks;
  bool wide;

  template <typename U>
  __device__ Matrix<U> rows(U* data, const AttentionLayout& layout, int batch, int head,
                            int64_t time) const {
    return {data + batch * layout.batch_stride + head * shape.head_size,
            static_cast<int>(layout.time_stride), static_cast<int>(time), head_size(), wide};
  }
  // (queries, heads, head_size), contiguous.
  template <typename U>
  __device__ Matrix<U> dense(U* data, int batch, int head) const {
    const int64_t row = shape.heads * shape.head_size;
    return rows(data, {shape.queries * row, row}, batch, head, shape.queries);
  }
  __device__ int head_size() const { return static_cast<int>(shape.head_size); }
  __device__ int queries() const { return static_cast<int>(shape.queries); }
  __device__ int keys() const { return static_cast<int>(shape.keys); }
  __device__ int heads_per_key_head() const {
    return kMasked ? static_cast<int>(shape.heads / shape.key_heads) : 1;
  }
  // Index of a query in (batch, heads, queries).
  __device__ int64_t statistic(int batch, int head) const {
    return (batch * shape.heads + head) * shape.queries;
  }

  // The keys that a query sees; none for queries that do not exist.
  __device__ Keys keys_of(int batch, int query) const {
    if constexpr (!kMasked) {
      return {0, query < queries() ? query + 1 : 0};
    } else {
      if (query >= queries()) return {0, 0};
      const KeyRange range = kernels::keys_of(shape, masks, batch, query);
      return {static_cast<int>(range.begin), static_cast<int>(range.end)};
    }
  }
  // The tiles of keys that any query of a tile sees.
  __device__ Keys keys_of_tile(int batch, int first) const {
    if constexpr (!kMasked) {
      return {0, first + 1};
    } else {
      Keys all{keys(), 0};
      for (int query = first; query < first + kTile<A> && query < queries(); ++query) {
        const Keys seen = keys_of(batch, query);
        if (seen.begin == seen.end) continue;
        if (seen.begin < all.begin) all.begin = seen.begin;
        if (seen.end > all.end) all.end = seen.end;
      }
      return {all.begin / kTile<A> * kTile<A>, all.end};
    }
  }

  // The score of a product, -infinity if the query does not see the key. Rounded separately, so
  // that the backward recomputes exactly the scores of the forward.
  __device__ A score(A product, const Keys& seen, int batch, int head, int query, int key) const {
    if (!seen.contain(key)) return kLowest<A>;
    A result = rounded_product(product, A(shape.scale));
    if constexpr (kMasked) {
      const int64_t* const strides = shape.mask_strides;
      const int64_t at =
          batch * strides[0] + head * strides[1] + query * strides[2] + key * strides[3];
      if (masks.added) result += widen(masks.added[at]);
      if (masks.allowed && !masks.allowed[at]) result = kLowest<A>;
    }
    return result;
  }

  __device__ bool drops() const { return kMasked && shape.dropout.probability > 0; }
  // 0 for a dropped probability, 1 / (1 - probability) for the others.
  __device__ A factor(int batch, int head, int query, int key) const {
    const DropoutMask& mask = shape.dropout;
    const auto element =
        static_cast<uint64_t>(mask.offset + (statistic(batch, head) + query) * shape.keys + key);
    const RandomBlock block = philox(*mask.key, element / 4);
    const bool kept = to_uniform(word_of(block, static_cast<unsigned>(element % 4))) >
                      static_cast<float>(mask.probability);
    return kept ? A(1.0 / (1.0 - mask.probability)) : A(0);
  }
};

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
template <typename A, bool kMasked>
struct Softmax {
  A largest[kVectorSize<A>], total[kVectorSize<A>];

  // A maximum as a finite number to subtract; with masks a row may have seen no key yet.
  __device__ static A as_shift(A maximum) {
    return kMasked && maximum == kLowest<A> ? A(0) : maximum;
  }

  __device__ Softmax() {
    for (int i = 0; i < kVectorSize<A>; ++i) largest[i] = kLowest<A>, total[i] = 0;
  }

  // Replaces scores by exponentials. Earlier sums must be multiplied by `corrections`.
  __device__ void add(Fragment<A>& scores, A (&corrections)[kVectorSize<A>]) {
    for (int i = 0; i < kVectorSize<A>; ++i) {
      A larger = largest[i];
      for (const A score : scores.values[i]) larger = Max{}(larger, score);
      larger = reduce_over_x(larger, Max{});
      const A shift = as_shift(larger);
      A sum = 0;
      for (A& score : scores.values[i]) {
        score = std::exp(score - shift);
        sum += score;
      }
      corrections[i] = std::exp(largest[i] - shift);
      total[i] = total[i] * corrections[i] + reduce_over_x(sum, Sum{});
      largest[i] = larger;
    }
  }
};

// One block per tile of queries and slice.
template <typename T, int kSlice, bool kMasked>
__global__ void __launch_bounds__(kBlockSize, kMasked ? 1 : 2)
    forward_kernel(T* out, LogSumExp<accumulator_t<T>> log_sum_exp, Inputs<T, kMasked> in) {
  using A = accumulator_t<T>;
  Tile<A>& left = block_shared<Tile<A>, 0>();
  Tile<A>& right = block_shared<Tile<A>, 1>();
  const auto& shape = in.shape;
  const Work work = work_of_block<A>(shape.queries, shape.heads, shape.head_size, kSlice, true);
  const int batch = work.batch, head = work.head, key_head = head / in.heads_per_key_head();
  const auto queries = in.rows(in.q, shape.q, batch, head, shape.queries).from(work.first, 0);
  const auto keys = in.rows(in.k, shape.k, batch, key_head, shape.keys);
  const auto values = in.rows(in.v, shape.v, batch, key_head, shape.keys);

  Softmax<A, kMasked> softmax;
  Fragment<A> sums[kSlice];
  A factors[kVectorSize<A>];
  const Keys tiles = in.keys_of_tile(batch, work.first);
  for (int first = tiles.begin; first < tiles.end; first += kTile<A>) {
    Fragment<A> scores = product_of_rows(left, right, queries, keys.from(first, 0));
    for (int i = 0; i < kVectorSize<A>; ++i) {
      const int query = row_of(work.first, i);
      const Keys seen = in.keys_of(batch, query);
      for (int j = 0; j < kVectorSize<A>; ++j) {
        scores.values[i][j] =
            in.score(scores.values[i][j], seen, batch, head, query, column_of(first, j));
      }
    }
    softmax.add(scores, factors);
    for (Fragment<A>& sum : sums) {
      for (int i = 0; i < kVectorSize<A>; ++i) {
        for (A& value : sum.values[i]) value *= factors[i];
      }
    }
    if (in.drops()) {
      for (int i = 0; i < kVectorSize<A>; ++i) {
        for (int j = 0; j < kVectorSize<A>; ++j) {
          scores.values[i][j] *= in.factor(batch, head, row_of(work.first, i), column_of(first, j));
        }
      }
    }
    add_products(sums, left, right, scores, values.from(first, work.channel));
  }

  for (int i = 0; i < kVectorSize<A>; ++i) {
    factors[i] = kMasked && softmax.total[i] == A(0) ? A(0) : A(1) / softmax.total[i];
  }
  store_slice(in.dense(out, batch, head).from(work.first, work.channel), sums, factors);
  if (work.channel > 0 || thread_x() > 0) return;
  for (int i = 0; i < kVectorSize<A>; ++i) {
    const int query = row_of(work.first, i);
    if (query >= in.queries()) continue;
    const bool is_blind = kMasked && softmax.total[i] == A(0);  // sees no key
    log_sum_exp.store(in.statistic(batch, head) + query, softmax.as_shift(softmax.largest[i]),
                      is_blind ? A(0) : std::log(softmax.total[i]));
  }
}

// One warp per query.   products = grad_out . out: (batch, heads, queries).
template <typename T>
__global__ void multiply_out_kernel(accumulator_t<T>* products, const T* grad_out, const T* out,
                                    int64_t rows, int64_t queries, int64_t heads,
                                    int64_t head_size) {
  const int64_t row = global_warp();  // index in (batch, queries, heads)
  if (row >= rows) return;
  accumulator_t<T> sum = 0;
  for (int64_t d = lane(); d < head_size; d += kWarpSize) {
    const int64_t at = row * head_size + d;
    sum += widen(grad_out[at]) * widen(out[at]);
  }
  sum = warp_reduce(sum, Sum{});
  if (lane() > 0) return;
  const int64_t head = row % heads, query = row / heads % queries, batch = row / heads / queries;
  products[(batch * heads + head) * queries + query] = sum;
}

// Replaces the product of a query and a key by their probability after dropout, and the gradient of
// that by the gradient of the score.
template <typename T, bool kMasked, typename A>
__device__ void differentiate(A& score, A& gradient, const Inputs<T, kMasked>& in, int batch,
                              int head, int64_t statistic, int query, int key, const Keys& keys) {
  const bool seen = keys.contain(key);
  const int64_t at = statistic + query;
  const A sum = seen ? in.log_sum_exp.rounded[at] : A(0);
  const A rest = seen ? in.log_sum_exp.rest[at] : A(0);
  const A product = seen ? in.products[at] : A(0);
  const A factor = in.drops() ? in.factor(batch, head, query, key) : A(1);
  const A of_query = in.score(score, keys, batch, head, query, key);
  score = seen ? std::exp((of_query - sum) - rest) : A(0);
  gradient = seen ? score * (gradient * factor - product) * A(in.shape.scale) : A(0);
  score *= factor;
}

template <typename A>
__device__ void set_to_one(A (&factors)[kVectorSize<A>]) {
  for (A& factor : factors) factor = 1;
}

// Minimum number of resident blocks per multiprocessor, limited by registers.
template <typename T, int kSlice, bool kMasked>
constexpr int kGradientBlocks = kSlice == 1 && !kMasked && std::is_same_v<T, float> ? 2 : 1;

// One block per tile of queries and slice.
template <typename T, int kSlice, bool kMasked>
__global__ void __launch_bounds__(kBlockSize, kGradientBlocks<T, kSlice, kMasked>)
    query_gradient_kernel(T* grad_q, AttentionLayout layout, Inputs<T, kMasked> in) {
  using A = accumulator_t<T>;
  Tile<A>& left = block_shared<Tile<A>, 0>();
  Tile<A>& right = block_shared<Tile<A>, 1>();
  const auto& shape = in.shape;
  const Work work = work_of_block<A>(shape.queries, shape.heads, shape.head_size, kSlice, true);
  const int batch = work.batch, head = work.head, key_head = head / in.heads_per_key_head();
  const auto queries = in.rows(in.q, shape.q, batch, head, shape.queries).from(work.first, 0);
  const auto grad_out = in.dense(in.grad_out, batch, head).from(work.first, 0);
  const auto keys = in.rows(in.k, shape.k, batch, key_head, shape.keys);
  const auto values = in.rows(in.v, shape.v, batch, key_head, shape.keys);

  const int64_t statistic = in.statistic(batch, head);
  Fragment<A> sums[kSlice];
  const Keys tiles = in.keys_of_tile(batch, work.first);
  for (int first = tiles.begin; first < tiles.end; first += kTile<A>) {
    Fragment<A> scores = product_of_rows(left, right, queries, keys.from(first, 0));
    Fragment<A> gradients = product_of_rows(left, right, grad_out, values.from(first, 0));
    for (int i = 0; i < kVectorSize<A>; ++i) {
      const int query = row_of(work.first, i);
      const Keys seen = in.keys_of(batch, query);
      for (int j = 0; j < kVectorSize<A>; ++j) {
        differentiate(scores.values[i][j], gradients.values[i][j], in, batch, head, statistic,
                      query, column_of(first, j), seen);
      }
    }
    add_products(sums, left, right, gradients, keys.from(first, work.channel));
  }
  A ones[kVectorSize<A>];
  set_to_one(ones);
  const auto to = in.rows(grad_q, layout, batch, head, shape.queries);
  store_slice(to.from(work.first, work.channel), sums, ones);
}

// One block per tile of keys and slice. Adds up the heads of queries that share the keys.
template <typename T, int kSlice, bool kMasked>
__global__ void __launch_bounds__(kBlockSize, kGradientBlocks<T, kSlice, kMasked>)
    key_value_gradient_kernel(T* grad_k, T* grad_v, AttentionGradientLayouts layouts,
                              Inputs<T, kMasked> in) {
  using A = accumulator_t<T>;
  Tile<A>& left = block_shared<Tile<A>, 0>();
  Tile<A>& right = block_shared<Tile<A>, 1>();
  const auto& shape = in.shape;
  const Work work = work_of_block<A>(shape.keys, shape.key_heads, shape.head_size, kSlice, false);
  const int batch = work.batch, group = in.heads_per_key_head();
  const auto keys = in.rows(in.k, shape.k, batch, work.head, shape.keys).from(work.first, 0);
  const auto values = in.rows(in.v, shape.v, batch, work.head, shape.keys).from(work.first, 0);

  Fragment<A> key_sums[kSlice], value_sums[kSlice];
  for (int head = work.head * group; head < (work.head + 1) * group; ++head) {
    const auto queries = in.rows(in.q, shape.q, batch, head, shape.queries);
    const auto grad_out = in.dense(in.grad_out, batch, head);
    const int64_t statistic = in.statistic(batch, head);
    for (int first = kMasked ? 0 : work.first; first < in.queries(); first += kTile<A>) {
      if constexpr (kMasked) {
        const Keys tiles = in.keys_of_tile(batch, first);
        if (work.first >= tiles.end || work.first + kTile<A> <= tiles.begin) continue;
      }
      Fragment<A> scores = product_of_rows(left, right, keys, queries.from(first, 0));
      Fragment<A> gradients = product_of_rows(left, right, values, grad_out.from(first, 0));
      for (int j = 0; j < kVectorSize<A>; ++j) {
        const int query = column_of(first, j);
        const Keys seen = in.keys_of(batch, query);
        for (int i = 0; i < kVectorSize<A>; ++i) {
          differentiate(scores.values[i][j], gradients.values[i][j], in, batch, head, statistic,
                        query, row_of(work.first, i), seen);
        }
      }
      add_products(value_sums, left, right, scores, grad_out.from(first, work.channel));
      add_products(key_sums, left, right, gradients, queries.from(first, work.channel));
    }
  }
  A ones[kVectorSize<A>];
  set_to_one(ones);
  const auto to = [&](T* data, const AttentionLayout& layout) {
    return in.rows(data, layout, batch, work.head, shape.keys).from(work.first, work.channel);
  };
  store_slice(to(grad_k, layouts.k), key_sums, ones);
  store_slice(to(grad_v, layouts.v), value_sums, ones);
}

template <typename T>
bool rows_are_aligned(const MaskedAttentionShape& shape,
                      std::initializer_list<AttentionLayout> layouts) {
  bool aligned = shape.head_size % kVectorSize<T> == 0;
  for (const AttentionLayout& layout : layouts) {
    aligned = aligned && layout.batch_stride % kVectorSize<T> == 0 &&
              layout.time_stride % kVectorSize<T> == 0;
  }
  return aligned;
}

// Calls body(slice width in tiles).
template <typename T, typename Body>
void for_slices(const MaskedAttentionShape& shape, Body body) {
  if (shape.head_size <= kTile<accumulator_t<T>>) {
    body(std::integral_constant<int, 1>{});
  } else {
    body(std::integral_constant<int, 2>{});
  }
}

// One block per tile of `rows` rows of `heads` heads and slice.
template <typename T>
LaunchShape blocks_of(OnCuda on, const MaskedAttentionShape& shape, int64_t rows, int64_t heads,
                      int slice) {
  using A = accumulator_t<T>;
  const int64_t slices = ceil_divide(shape.head_size, slice * kTile<A>);
  return block_each(on, shape.batch * heads * ceil_divide(rows, kTile<A>) * slices);
}

template <bool kMasked, typename T>
void forward(OnCuda on, T* out, accumulator_t<T>* log_sum_exp, const T* q, const T* k, const T* v,
             const AttentionMasks<T>& masks, const MaskedAttentionShape& shape) {
  const bool wide =
      rows_are_aligned<T>(shape, {shape.q, shape.k, shape.v}) && is_aligned(out, q, k, v);
  const Inputs<T, kMasked> in{q, k, v, nullptr, {}, nullptr, shape, masks, wide};
  const auto sums = LogSumExp<accumulator_t<T>>::view(log_sum_exp, shape);
  for_slices<T>(shape, [&](auto slice) {
    launch(forward_kernel<T, slice(), kMasked>,
           blocks_of<T>(on, shape, shape.queries, shape.heads, slice()), out, sums, in);
  });
}

template <bool kMasked, typename T>
void backward(OnCuda on, const AttentionBackwardArguments<T>& args,
              const AttentionGradientLayouts& layouts, const AttentionMasks<T>& masks,
              const MaskedAttentionShape& shape) {
  auto* const products = static_cast<accumulator_t<T>*>(args.workspace);  // (batch, heads, queries)
  const int64_t rows = shape.batch * shape.queries * shape.heads;
  launch(multiply_out_kernel<T>, warp_each(on, rows), products, args.grad_out, args.out, rows,
         shape.queries, shape.heads, shape.head_size);
  const bool wide =
      rows_are_aligned<T>(shape, {shape.q, shape.k, shape.v, layouts.q, layouts.k, layouts.v}) &&
      is_aligned(args.q, args.k, args.v, args.grad_out, args.grad_q, args.grad_k, args.grad_v);
  const auto sums = LogSumExp<const accumulator_t<T>>::view(args.log_sum_exp, shape);
  const Inputs<T, kMasked> in{args.q,   args.k, args.v, args.grad_out, sums,
                              products, shape,  masks,  wide};
  for_slices<T>(shape, [&](auto slice) {
    launch(query_gradient_kernel<T, slice(), kMasked>,
           blocks_of<T>(on, shape, shape.queries, shape.heads, slice()), args.grad_q, layouts.q,
           in);
    launch(key_value_gradient_kernel<T, slice(), kMasked>,
           blocks_of<T>(on, shape, shape.keys, shape.key_heads, slice()), args.grad_k, args.grad_v,
           layouts, in);
  });
}

// Causal self-attention as a special case.
MaskedAttentionShape causal_shape(const AttentionShape& shape) {
  const AttentionLayout layout{shape.qkv_batch_stride, shape.qkv_time_stride};
  MaskedAttentionShape causal;
  causal.batch = shape.batch;
  causal.queries = causal.keys = shape.time;
  causal.heads = causal.key_heads = shape.heads;
  causal.head_size = shape.head_size;
  causal.q = causal.k = causal.v = layout;
  causal.scale = shape.scale;
  causal.causal = true;
  return causal;
}

}  // namespace

template <typename T>
void flash_attention_forward(OnCuda on, T* out, accumulator_t<T>* log_sum_exp, const T* q,
                             const T* k, const T* v, const AttentionShape& shape) {
  forward<false, T>(on, out, log_sum_exp, q, k, v, {}, causal_shape(shape));
}

template <typename T>
void flash_attention_backward(OnCuda on, const AttentionBackwardArguments<T>& args,
                              const AttentionShape& shape) {
  const MaskedAttentionShape causal = causal_shape(shape);
  backward<false, T>(on, args, {causal.q, causal.k, causal.v}, {}, causal);
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

namespace ripieno::kernels {

template <typename T>
void masked_attention_forward(OnCuda on, T* out, accumulator_t<T>* log_sum_exp, const T* q,
                              const T* k, const T* v, const AttentionMasks<T>& masks,
                              const MaskedAttentionShape& shape) {
  cuda::forward<true>(on, out, log_sum_exp, q, k, v, masks, shape);
}

template <typename T>
void masked_attention_backward(OnCuda on, const AttentionBackwardArguments<T>& args,
                               const AttentionGradientLayouts& layouts,
                               const AttentionMasks<T>& masks, const MaskedAttentionShape& shape) {
  cuda::backward<true>(on, args, layouts, masks, shape);
}

template void masked_attention_forward(OnCuda, float*, float*, const float*, const float*,
                                       const float*, const AttentionMasks<float>&,
                                       const MaskedAttentionShape&);
template void masked_attention_forward(OnCuda, double*, double*, const double*, const double*,
                                       const double*, const AttentionMasks<double>&,
                                       const MaskedAttentionShape&);
template void masked_attention_forward(OnCuda, bfloat16*, float*, const bfloat16*, const bfloat16*,
                                       const bfloat16*, const AttentionMasks<bfloat16>&,
                                       const MaskedAttentionShape&);
template void masked_attention_forward(OnCuda, float16*, float*, const float16*, const float16*,
                                       const float16*, const AttentionMasks<float16>&,
                                       const MaskedAttentionShape&);

template void masked_attention_backward(OnCuda, const AttentionBackwardArguments<float>&,
                                        const AttentionGradientLayouts&,
                                        const AttentionMasks<float>&, const MaskedAttentionShape&);
template void masked_attention_backward(OnCuda, const AttentionBackwardArguments<double>&,
                                        const AttentionGradientLayouts&,
                                        const AttentionMasks<double>&, const MaskedAttentionShape&);
template void masked_attention_backward(OnCuda, const AttentionBackwardArguments<bfloat16>&,
                                        const AttentionGradientLayouts&,
                                        const AttentionMasks<bfloat16>&,
                                        const MaskedAttentionShape&);
template void masked_attention_backward(OnCuda, const AttentionBackwardArguments<float16>&,
                                        const AttentionGradientLayouts&,
                                        const AttentionMasks<float16>&,
                                        const MaskedAttentionShape&);

}  // namespace ripieno::kernels
