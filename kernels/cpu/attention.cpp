#include "ripieno/kernels/attention.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "ripieno/kernels/attention_keys.h"
#include "ripieno/kernels/cpu/gemm/gemm.h"
#include "ripieno/kernels/cpu/gemm/gemm_bfloat16.h"
#include "ripieno/kernels/cpu/support/convert.h"
#include "ripieno/kernels/cpu/support/math.h"
#include "ripieno/kernels/cpu/support/parallel.h"
#include "ripieno/kernels/cpu/support/random_blocks.h"
#include "ripieno/kernels/cpu/support/rows.h"
#include "ripieno/kernels/cpu/support/scratch.h"
#include "ripieno/kernels/cpu_bfloat16.h"

namespace ripieno::kernels {

namespace {

constexpr int64_t kQueries = 64, kKeys = 64;  // size of one block of scores

// Rows (time steps) of one head, `stride` elements apart.
template <typename A>
struct Rows {
  A* data = nullptr;
  int64_t stride = 0;
  A* row(int64_t t) const { return data + t * stride; }
};

// One head of one sample.
template <typename T>
struct Head {
  const MaskedAttentionShape& shape;
  const AttentionMasks<T>& masks;
  int64_t batch = 0, head = 0;

  KeyRange keys_of(int64_t query) const { return kernels::keys_of(shape, masks, batch, query); }
  // The keys that any of the queries sees.
  KeyRange keys_of(int64_t query, int64_t queries) const {
    KeyRange all{shape.keys, 0};
    for (int64_t i = 0; i < queries; ++i) {
      const KeyRange range = keys_of(query + i);
      if (range.begin == range.end) continue;
      all = {std::min(all.begin, range.begin), std::max(all.end, range.end)};
    }
    return {std::min(all.begin, all.end), all.end};
  }
  bool drops() const { return shape.dropout.probability > 0; }
  // Index of a score in (batch, heads, queries, keys).
  int64_t score_at(int64_t query, int64_t key) const {
    return ((batch * shape.heads + head) * shape.queries + query) * shape.keys + key;
  }
  int64_t mask_at(int64_t query, int64_t key) const {
    const int64_t* strides = shape.mask_strides;
    return batch * strides[0] + head * strides[1] + query * strides[2] + key * strides[3];
  }
};

// A block of scores: of `queries` queries from `query` on, and `keys` keys from `key` on.
struct Block {
  int64_t query, queries, key, keys;
};

// Whether the processor multiplies T, so that factors in T need no copy in float.
template <typename T>
bool multiplies() {
  return std::is_same_v<T, bfloat16> && uses_bfloat16_instructions();
}

// left rightᵀ of the rows of two factors: scores, or gradients of probabilities.
template <typename T>
struct RowProducts {
  using A = accumulator_t<T>;

  Rows<const T> left, right;
  // The same in the accumulator type, unless the processor multiplies T.
  Rows<const A> wide_left, wide_right;

  // out = a block, before masking.
  void operator()(A* out, int64_t size, const Block& block) const {
    cpu::Gemm gemm{.m = block.queries,
                   .n = block.keys,
                   .k = size,
                   .transpose_b = true,
                   .lda = left.stride,
                   .ldb = right.stride,
                   .ldc = kKeys};
    if constexpr (std::is_same_v<T, bfloat16>) {
      if (!wide_right.data) {
        return cpu::multiply_bfloat16(out, left.row(block.query), right.row(block.key), gemm);
      }
    }
    gemm.lda = wide_left.stride;
    gemm.ldb = wide_right.stride;
    cpu::multiply(out, wide_left.row(block.query), wide_right.row(block.key), gemm);
  }
};

// The columns of a row of a block that the query sees.
template <typename T>
KeyRange columns_of(const Head<T>& head, const Block& block, int64_t query) {
  const KeyRange range = head.keys_of(query);
  const auto column = [&](int64_t key) {
    return std::clamp<int64_t>(key - block.key, 0, block.keys);
  };
  return {column(range.begin), column(range.end)};
}

// Scales a row, and sets it to -infinity (probability 0) where the query does not see a key.
// Returns the number of columns that must be computed: the last seen one rounded up to whole
// vectors.
template <typename T, typename A>
int64_t scale_and_mask(A* row, const Head<T>& head, const Block& block, int64_t query) {
  constexpr A kNever = -std::numeric_limits<A>::infinity();
  const KeyRange seen = columns_of(head, block, query);
  if (seen.begin == seen.end) return 0;
  const A scale = static_cast<A>(head.shape.scale);
  const int64_t width = std::min((seen.end + 31) / 32 * 32, kKeys);
#pragma omp simd
  for (int64_t j = 0; j < width; ++j) row[j] *= scale;
  const int64_t mask = head.mask_at(query, block.key), step = head.shape.mask_strides[3];
  if (head.masks.added) {
    for (int64_t j = seen.begin; j < seen.end; ++j) row[j] += A(head.masks.added[mask + j * step]);
  }
  if (head.masks.allowed) {
    for (int64_t j = seen.begin; j < seen.end; ++j) {
      if (!head.masks.allowed[mask + j * step]) row[j] = kNever;
    }
  }
  std::fill(row, row + seen.begin, kNever);
  std::fill(row + seen.end, row + width, kNever);
  return width;
}

// Calls body(column, factor) for the seen columns of a row, where the factor is 0 for a dropped
// probability and 1 / (1 - probability) for the others.
template <typename T, typename Body>
void for_each_factor(const Head<T>& head, const Block& block, int64_t query, const Body& body) {
  using A = accumulator_t<T>;
  const DropoutMask& mask = head.shape.dropout;
  const A kept = static_cast<A>(1.0 / (1.0 - mask.probability));
  const float threshold = static_cast<float>(mask.probability);
  const KeyRange seen = columns_of(head, block, query);
  const int64_t first = head.score_at(query, block.key);
  cpu::for_each_word(*mask.key, mask.offset, first + seen.begin, first + seen.end,
                     [&](int64_t at, uint32_t word) {
                       body(at - first, to_uniform(word) > threshold ? kept : A(0));
                     });
}

// row[j] = exp(row[j] - shift) for j < width, 0 for the others. Returns the sum of the row.
template <typename A>
A exponentials(A* row, int64_t width, A shift) {
  std::fill(row + width, row + kKeys, A(0));
  return cpu::row_sum<A>(width, [=](int64_t j) {
    row[j] = cpu::exp(row[j] - shift);
    return row[j];
  });
}

// -infinity, the maximum of no scores, as a finite number to subtract.
template <typename A>
A as_shift(A maximum) {
  return maximum == -std::numeric_limits<A>::infinity() ? A(0) : maximum;
}

// log(sum(exp(scores))) of each query, and the rounding error of that number (attention.h).
template <typename A>
struct LogSumExp {
  A *rounded, *rest;

  // The view that begins at query `offset` of all (batch, heads, queries) queries.
  static LogSumExp at(A* data, const MaskedAttentionShape& shape, int64_t offset) {
    return {data + offset, data + shape.batch * shape.heads * shape.queries + offset};
  }
  LogSumExp from(int64_t query) const { return {rounded + query, rest + query}; }
  void store(int64_t query, A maximum, A log_sum) const {
    rounded[query] = maximum + log_sum;
    rest[query] = log_sum - (rounded[query] - maximum);
  }
};

// Running softmax statistics of a block of queries; sums are of exp(score - maximum).
template <typename A>
struct Softmax {
  A sums[kQueries], maxima[kQueries];
};

// Updates them with a block of scores: replaces scores by exponentials, and rescales out to the new
// maxima.
template <typename T, typename A>
void online_softmax(A* scores, Softmax<A>& softmax, A* out, const Head<T>& head, const Block& block,
                    bool first) {
  const int64_t size = head.shape.head_size;
  for (int64_t i = 0; i < block.queries; ++i) {
    A* row = scores + i * kKeys;
    const int64_t width = scale_and_mask(row, head, block, block.query + i);
    const A largest = cpu::row_max(row, width);
    if (first) {
      softmax.maxima[i] = largest;
      softmax.sums[i] = exponentials(row, width, as_shift(largest));
    } else {
      const A maximum = std::max(largest, softmax.maxima[i]), shift = as_shift(maximum);
      const A shrink = cpu::exp(softmax.maxima[i] - shift);
      softmax.sums[i] = softmax.sums[i] * shrink + exponentials(row, width, shift);
      softmax.maxima[i] = maximum;
      A* unscaled = out + i * size;
#pragma omp simd
      for (int64_t d = 0; d < size; ++d) unscaled[d] *= shrink;
    }
    if (!head.drops()) continue;
    for_each_factor(head, block, block.query + i, [&](int64_t j, A factor) { row[j] *= factor; });
  }
}

template <typename T, typename A>
void forward_queries(Rows<A> out, LogSumExp<A> log_sum_exp, const RowProducts<T>& score_block,
                     Rows<const A> v, const Head<T>& head, int64_t query) {
  const int64_t size = head.shape.head_size;
  const int64_t queries = std::min(kQueries, head.shape.queries - query);
  A* scores = cpu::scratch<A>(cpu::Scratch::kAttentionBlock, kQueries * (kKeys + size));
  A* unscaled = scores + kQueries * kKeys;  // (queries, head size): the output before division
  Softmax<A> softmax;
  const KeyRange seen = head.keys_of(query, queries);
  bool first = true;
  for (int64_t key = seen.begin / kKeys * kKeys; key < seen.end; key += kKeys, first = false) {
    const Block block{query, queries, key, std::min(kKeys, seen.end - key)};
    score_block(scores, size, block);
    online_softmax(scores, softmax, unscaled, head, block, first);
    cpu::multiply(unscaled, scores, v.row(key),
                  {.m = queries,
                   .n = size,
                   .k = block.keys,
                   .lda = kKeys,
                   .ldb = v.stride,
                   .ldc = size,
                   .accumulate = !first});
  }
  for (int64_t i = 0; i < queries; ++i) {
    A* to = out.row(query + i);
    if (first || softmax.sums[i] == A(0)) {  // sees no key
      std::fill_n(to, size, A(0));
      log_sum_exp.store(query + i, A(0), A(0));
      continue;
    }
    log_sum_exp.store(query + i, as_shift(softmax.maxima[i]), std::log(softmax.sums[i]));
    const A factor = A(1) / softmax.sums[i];
#pragma omp simd
    for (int64_t d = 0; d < size; ++d) to[d] = unscaled[i * size + d] * factor;
  }
}

// Replaces scores by probabilities after dropout, and gradients of those by gradients of scores,
// for one query; sets both to 0 for keys that it does not see.
template <typename T, typename A>
void differentiate_row(A* scores, A* grads, const Head<T>& head, const Block& block, int64_t query,
                       LogSumExp<const A> log_sum_exp, A delta) {
  const A rounded = *log_sum_exp.rounded, rest = *log_sum_exp.rest;
  const A scale = static_cast<A>(head.shape.scale);
  const int64_t width = scale_and_mask(scores, head, block, query);
  A factors[kKeys];
  if (head.drops()) {
    std::fill_n(factors, kKeys, A(0));
    for_each_factor(head, block, query, [&](int64_t j, A factor) {
      factors[j] = factor;
      grads[j] *= factor;
    });
  }
#pragma omp simd
  for (int64_t j = 0; j < width; ++j) {
    scores[j] = cpu::exp((scores[j] - rounded) - rest);
    grads[j] = scores[j] * (grads[j] - delta) * scale;
  }
  if (head.drops()) {
    for (int64_t j = 0; j < width; ++j) scores[j] *= factors[j];
  }
  std::fill(scores + width, scores + kKeys, A(0));
  std::fill(grads + width, grads + kKeys, A(0));
}

template <typename A>
struct Gradients {
  Rows<A> q, k, v;
};

// The keys that a block of queries sees, and whether its gradient has been written to.
struct QueryBlock {
  KeyRange seen;
  bool has_gradient;
};

template <typename A>
void clear_rows(Rows<A> rows, int64_t begin, int64_t count, int64_t size) {
  for (int64_t t = begin; t < begin + count; ++t) std::fill_n(rows.row(t), size, A(0));
}

// Writes the gradient of q. Those of k and v are overwritten if `overwrite`, otherwise added to.
// grad_block: the products of grad_out and v.
template <typename T, typename A>
void backward_head(const Gradients<A>& grad, const RowProducts<T>& score_block,
                   const RowProducts<T>& grad_block, Rows<const A> grad_out, Rows<const A> q,
                   Rows<const A> k, LogSumExp<const A> log_sum_exp, const A* delta,
                   const Head<T>& head, bool overwrite) {
  const int64_t size = head.shape.head_size, all_queries = head.shape.queries;
  A* scores = cpu::scratch<A>(cpu::Scratch::kAttentionBlock, 2 * kQueries * kKeys);
  A* grads = scores + kQueries * kKeys;
  const int64_t blocks = (all_queries + kQueries - 1) / kQueries;
  QueryBlock* of_queries = cpu::scratch<QueryBlock>(cpu::Scratch::kAttentionQueries, blocks);
  for (int64_t i = 0; i < blocks; ++i) {
    const int64_t query = i * kQueries;
    of_queries[i] = {head.keys_of(query, std::min(kQueries, all_queries - query)), false};
  }
  for (int64_t key = 0; key < head.shape.keys; key += kKeys) {
    const int64_t keys = std::min(kKeys, head.shape.keys - key);
    bool first = overwrite;
    for (int64_t i = 0; i < blocks; ++i) {
      if (key >= of_queries[i].seen.end || key + keys <= of_queries[i].seen.begin) continue;
      const int64_t query = i * kQueries;
      const Block block{query, std::min(kQueries, all_queries - query), key, keys};
      score_block(scores, size, block);
      grad_block(grads, size, block);
      for (int64_t row = 0; row < block.queries; ++row) {
        differentiate_row(scores + row * kKeys, grads + row * kKeys, head, block, query + row,
                          log_sum_exp.from(query + row), delta[query + row]);
      }
      const cpu::Gemm of_keys{.m = keys,
                              .n = size,
                              .k = block.queries,
                              .transpose_a = true,
                              .lda = kKeys,
                              .accumulate = !first};
      cpu::Gemm gemm = of_keys;
      gemm.ldb = grad_out.stride;
      gemm.ldc = grad.v.stride;
      cpu::multiply(grad.v.row(key), scores, grad_out.row(query), gemm);
      gemm.ldb = q.stride;
      gemm.ldc = grad.k.stride;
      cpu::multiply(grad.k.row(key), grads, q.row(query), gemm);
      cpu::multiply(grad.q.row(query), grads, k.row(key),
                    {.m = block.queries,
                     .n = size,
                     .k = keys,
                     .lda = kKeys,
                     .ldb = k.stride,
                     .ldc = grad.q.stride,
                     .accumulate = of_queries[i].has_gradient});
      first = false;
      of_queries[i].has_gradient = true;
    }
    if (!first) continue;
    clear_rows(grad.k, key, keys, size);
    clear_rows(grad.v, key, keys, size);
  }
  for (int64_t i = 0; i < blocks; ++i) {
    const int64_t query = i * kQueries;
    if (!of_queries[i].has_gradient) {
      clear_rows(grad.q, query, std::min(kQueries, all_queries - query), size);
    }
  }
}

// `time` rows of a head in the accumulator type: `data` itself, or a contiguous copy at `copy`,
// which is advanced past it.
template <typename T>
Rows<const accumulator_t<T>> widened(const T* data, int64_t stride, int64_t time, int64_t size,
                                     accumulator_t<T>*& copy) {
  if constexpr (std::is_same_v<T, accumulator_t<T>>) {
    return {data, stride};
  } else {
    float* out = copy;
    copy += time * size;
    for (int64_t t = 0; t < time; ++t) {
      for (int64_t d = 0; d < size; ++d) {
        out[t * size + d] = static_cast<float>(data[t * stride + d]);
      }
    }
    return {out, size};
  }
}

// Where to compute a result for `data`: `data` itself if it has the accumulator type, else `copy`,
// which is advanced past it.
template <typename T>
Rows<accumulator_t<T>> result(T* data, int64_t stride, int64_t time, int64_t size,
                              accumulator_t<T>*& copy) {
  if constexpr (std::is_same_v<T, accumulator_t<T>>) {
    return {data, stride};
  } else {
    float* out = copy;
    copy += time * size;
    return {out, size};
  }
}

// Converts a result that was computed in a copy, and writes it to `data`.
template <typename T>
void narrow(T* data, int64_t stride, int64_t time, int64_t size, Rows<accumulator_t<T>> from) {
  if constexpr (!std::is_same_v<T, accumulator_t<T>>) {
    for (int64_t t = 0; t < time; ++t) {
      for (int64_t d = 0; d < size; ++d) data[t * stride + d] = cpu::convert<T>(from.row(t)[d]);
    }
  }
}

// Scratch for copies of `rows` rows, or null if T is the accumulator type.
template <typename T>
accumulator_t<T>* copies(int64_t rows, int64_t size) {
  if constexpr (std::is_same_v<T, accumulator_t<T>>) return nullptr;
  return cpu::scratch<accumulator_t<T>>(cpu::Scratch::kAttention, rows * size);
}

// The first element of a head of a sample.
template <typename T>
T* head_of(T* data, const AttentionLayout& layout, int64_t batch, int64_t head, int64_t size) {
  return data + batch * layout.batch_stride + head * size;
}

AttentionLayout layout_of_out(const MaskedAttentionShape& shape) {
  const int64_t row = shape.heads * shape.head_size;
  return {shape.queries * row, row};
}

// Calls body(batch, head) for each of `heads` heads of each sample.
template <typename Body>
void for_each_head(const MaskedAttentionShape& s, int64_t heads, const Body& body) {
  const int64_t work = s.queries * s.keys * s.head_size * (s.heads / heads) / 8;
  cpu::parallel_for(s.batch * heads, work, [&](int64_t item) { body(item / heads, item % heads); });
}

// Causal self-attention as a special case.
MaskedAttentionShape causal_shape(const AttentionShape& shape) {
  const AttentionLayout layout{shape.qkv_batch_stride, shape.qkv_time_stride};
  return {.batch = shape.batch,
          .queries = shape.time,
          .keys = shape.time,
          .heads = shape.heads,
          .key_heads = shape.heads,
          .head_size = shape.head_size,
          .q = layout,
          .k = layout,
          .v = layout,
          .scale = shape.scale,
          .causal = true};
}

}  // namespace

template <typename T>
int64_t attention_forward_workspace_bytes(OnCpu, const AttentionShape&) {
  return 0;
}

template <typename T>
int64_t attention_backward_workspace_bytes(OnCpu, const AttentionShape& shape) {
  return shape.batch * shape.heads * shape.time * static_cast<int64_t>(sizeof(accumulator_t<T>));
}

template <typename T>
void masked_attention_forward(OnCpu, T* out, accumulator_t<T>* log_sum_exp, const T* q, const T* k,
                              const T* v, const AttentionMasks<T>& masks,
                              const MaskedAttentionShape& shape) {
  using A = accumulator_t<T>;
  const int64_t size = shape.head_size, group = shape.heads / shape.key_heads;
  const AttentionLayout out_layout = layout_of_out(shape);
  for_each_head(shape, shape.heads, [&](int64_t b, int64_t h) {
    const Head<T> head{shape, masks, b, h};
    A* copy = copies<T>(2 * (shape.queries + shape.keys), size);
    const T* const queries = head_of(q, shape.q, b, h, size);
    const T* const keys = head_of(k, shape.k, b, h / group, size);
    const int64_t query_stride = shape.q.time_stride, key_stride = shape.k.time_stride;
    RowProducts<T> score_block{{queries, query_stride}, {keys, key_stride}, {}, {}};
    if (!multiplies<T>()) {
      score_block.wide_left = widened(queries, query_stride, shape.queries, size, copy);
      score_block.wide_right = widened(keys, key_stride, shape.keys, size, copy);
    }
    const auto values = widened(head_of(v, shape.v, b, h / group, size), shape.v.time_stride,
                                shape.keys, size, copy);
    T* const to = head_of(out, out_layout, b, h, size);
    const auto results = result(to, out_layout.time_stride, shape.queries, size, copy);
    const auto sums = LogSumExp<A>::at(log_sum_exp, shape, (b * shape.heads + h) * shape.queries);
    for (int64_t query = 0; query < shape.queries; query += kQueries) {
      forward_queries(results, sums, score_block, values, head, query);
    }
    narrow(to, out_layout.time_stride, shape.queries, size, results);
  });
}

template <typename T>
void masked_attention_backward(OnCpu, const AttentionBackwardArguments<T>& args,
                               const AttentionGradientLayouts& layouts,
                               const AttentionMasks<T>& masks, const MaskedAttentionShape& shape) {
  using A = accumulator_t<T>;
  const int64_t size = shape.head_size, group = shape.heads / shape.key_heads;
  const AttentionLayout out_layout = layout_of_out(shape);
  const int64_t out_stride = out_layout.time_stride;
  // The heads that share one of k and v add to its gradients in their order.
  for_each_head(shape, shape.key_heads, [&](int64_t b, int64_t key_head) {
    A* copy = copies<T>(3 * shape.queries + 4 * shape.keys, size);
    const T* const k = head_of(args.k, shape.k, b, key_head, size);
    const T* const v = head_of(args.v, shape.v, b, key_head, size);
    const auto keys = widened(k, shape.k.time_stride, shape.keys, size, copy);
    Rows<const A> values;
    if (!multiplies<T>()) values = widened(v, shape.v.time_stride, shape.keys, size, copy);
    T* const grad_k = head_of(args.grad_k, layouts.k, b, key_head, size);
    T* const grad_v = head_of(args.grad_v, layouts.v, b, key_head, size);
    const auto key_results = result(grad_k, layouts.k.time_stride, shape.keys, size, copy);
    const auto value_results = result(grad_v, layouts.v.time_stride, shape.keys, size, copy);
    for (int64_t h = key_head * group; h < (key_head + 1) * group; ++h) {
      const int64_t statistic = (b * shape.heads + h) * shape.queries;
      const T* const out = head_of(args.out, out_layout, b, h, size);
      const T* const grad_out = head_of(args.grad_out, out_layout, b, h, size);
      // delta (queries): sum over d of out * grad_out.
      A* const delta = static_cast<A*>(args.workspace) + statistic;
      for (int64_t t = 0; t < shape.queries; ++t) {
        const T *o = out + t * out_stride, *g = grad_out + t * out_stride;
        delta[t] = cpu::row_sum<A>(size, [o, g](int64_t d) { return A(o[d]) * A(g[d]); });
      }
      A* copy_of_head = copy;
      T* const grad_q = head_of(args.grad_q, layouts.q, b, h, size);
      const auto grads = widened(grad_out, out_stride, shape.queries, size, copy_of_head);
      const T* const q = head_of(args.q, shape.q, b, h, size);
      const auto queries = widened(q, shape.q.time_stride, shape.queries, size, copy_of_head);
      RowProducts<T> score_block{{q, shape.q.time_stride}, {k, shape.k.time_stride}, {}, {}};
      RowProducts<T> grad_block{{grad_out, out_stride}, {v, shape.v.time_stride}, {}, {}};
      if (!multiplies<T>()) {
        score_block.wide_left = queries;
        score_block.wide_right = keys;
        grad_block.wide_left = grads;
        grad_block.wide_right = values;
      }
      const Gradients<A> results{
          result(grad_q, layouts.q.time_stride, shape.queries, size, copy_of_head), key_results,
          value_results};
      const auto sums = LogSumExp<const A>::at(args.log_sum_exp, shape, statistic);
      backward_head(results, score_block, grad_block, grads, queries, keys, sums, delta,
                    Head<T>{shape, masks, b, h}, h == key_head * group);
      narrow(grad_q, layouts.q.time_stride, shape.queries, size, results.q);
    }
    narrow(grad_k, layouts.k.time_stride, shape.keys, size, key_results);
    narrow(grad_v, layouts.v.time_stride, shape.keys, size, value_results);
  });
}

template <typename T>
void attention_forward(OnCpu on, T* out, accumulator_t<T>* log_sum_exp, void*, const T* q,
                       const T* k, const T* v, const AttentionShape& shape) {
  masked_attention_forward(on, out, log_sum_exp, q, k, v, {}, causal_shape(shape));
}

template <typename T>
void attention_backward(OnCpu on, const AttentionBackwardArguments<T>& args,
                        const AttentionShape& shape) {
  const MaskedAttentionShape causal = causal_shape(shape);
  masked_attention_backward(on, args, {causal.q, causal.k, causal.v}, {}, causal);
}

template void masked_attention_forward(OnCpu, float*, float*, const float*, const float*,
                                       const float*, const AttentionMasks<float>&,
                                       const MaskedAttentionShape&);
template void masked_attention_forward(OnCpu, double*, double*, const double*, const double*,
                                       const double*, const AttentionMasks<double>&,
                                       const MaskedAttentionShape&);
template void masked_attention_forward(OnCpu, bfloat16*, float*, const bfloat16*, const bfloat16*,
                                       const bfloat16*, const AttentionMasks<bfloat16>&,
                                       const MaskedAttentionShape&);
template void masked_attention_forward(OnCpu, float16*, float*, const float16*, const float16*,
                                       const float16*, const AttentionMasks<float16>&,
                                       const MaskedAttentionShape&);

template void masked_attention_backward(OnCpu, const AttentionBackwardArguments<float>&,
                                        const AttentionGradientLayouts&,
                                        const AttentionMasks<float>&, const MaskedAttentionShape&);
template void masked_attention_backward(OnCpu, const AttentionBackwardArguments<double>&,
                                        const AttentionGradientLayouts&,
                                        const AttentionMasks<double>&, const MaskedAttentionShape&);
template void masked_attention_backward(OnCpu, const AttentionBackwardArguments<bfloat16>&,
                                        const AttentionGradientLayouts&,
                                        const AttentionMasks<bfloat16>&,
                                        const MaskedAttentionShape&);
template void masked_attention_backward(OnCpu, const AttentionBackwardArguments<float16>&,
                                        const AttentionGradientLayouts&,
                                        const AttentionMasks<float16>&,
                                        const MaskedAttentionShape&);

template int64_t attention_forward_workspace_bytes<float>(OnCpu, const AttentionShape&);
template int64_t attention_forward_workspace_bytes<double>(OnCpu, const AttentionShape&);
template int64_t attention_forward_workspace_bytes<bfloat16>(OnCpu, const AttentionShape&);
template int64_t attention_forward_workspace_bytes<float16>(OnCpu, const AttentionShape&);
template int64_t attention_backward_workspace_bytes<float>(OnCpu, const AttentionShape&);
template int64_t attention_backward_workspace_bytes<double>(OnCpu, const AttentionShape&);
template int64_t attention_backward_workspace_bytes<bfloat16>(OnCpu, const AttentionShape&);
template int64_t attention_backward_workspace_bytes<float16>(OnCpu, const AttentionShape&);

template void attention_forward(OnCpu, float*, float*, void*, const float*, const float*,
                                const float*, const AttentionShape&);
template void attention_forward(OnCpu, double*, double*, void*, const double*, const double*,
                                const double*, const AttentionShape&);
template void attention_forward(OnCpu, bfloat16*, float*, void*, const bfloat16*, const bfloat16*,
                                const bfloat16*, const AttentionShape&);
template void attention_forward(OnCpu, float16*, float*, void*, const float16*, const float16*,
                                const float16*, const AttentionShape&);

template void attention_backward(OnCpu, const AttentionBackwardArguments<float>&,
                                 const AttentionShape&);
template void attention_backward(OnCpu, const AttentionBackwardArguments<double>&,
                                 const AttentionShape&);
template void attention_backward(OnCpu, const AttentionBackwardArguments<bfloat16>&,
                                 const AttentionShape&);
template void attention_backward(OnCpu, const AttentionBackwardArguments<float16>&,
                                 const AttentionShape&);

}  // namespace ripieno::kernels
