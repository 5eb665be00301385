#include "ripieno/kernels/attention.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "ripieno/kernels/cpu/gemm/gemm.h"
#include "ripieno/kernels/cpu/gemm/gemm_bfloat16.h"
#include "ripieno/kernels/cpu/support/math.h"
#include "ripieno/kernels/cpu/support/parallel.h"
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
struct Head {
  int64_t time, size;
  double scale;
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

  // out = the block at (query, key), before masking of keys that come after a query.
  void operator()(A* out, const Head& head, int64_t query, int64_t queries, int64_t key,
                  int64_t keys) const {
    cpu::Gemm gemm{.m = queries,
                   .n = keys,
                   .k = head.size,
                   .transpose_b = true,
                   .lda = left.stride,
                   .ldb = right.stride,
                   .ldc = kKeys};
    if constexpr (std::is_same_v<T, bfloat16>) {
      if (!wide_right.data) {
        return cpu::multiply_bfloat16(out, left.row(query), right.row(key), gemm);
      }
    }
    gemm.lda = wide_left.stride;
    gemm.ldb = wide_right.stride;
    cpu::multiply(out, wide_left.row(query), wide_right.row(key), gemm);
  }
};

// Scales a row, and sets it to -infinity (probability 0) from column `seen` on. Returns the number
// of columns that must be computed: `seen` rounded up to whole vectors.
template <typename A>
int64_t scale_and_mask(A* row, int64_t seen, A scale) {
  const int64_t width = std::min((seen + 31) / 32 * 32, kKeys);
#pragma omp simd
  for (int64_t j = 0; j < width; ++j) row[j] *= scale;
  std::fill(row + seen, row + width, -std::numeric_limits<A>::infinity());
  return width;
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

// log(sum(exp(scores))) of each query, and the rounding error of that number (attention.h).
template <typename A>
struct LogSumExp {
  A *rounded, *rest;

  // The view that begins at query `offset` of all (batch, heads, time) queries.
  static LogSumExp at(A* data, const AttentionShape& shape, int64_t offset) {
    return {data + offset, data + shape.batch * shape.heads * shape.time + offset};
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
template <typename A>
void online_softmax(A* scores, Softmax<A>& softmax, A* out, const Head& head, int64_t query,
                    int64_t queries, int64_t key, int64_t keys) {
  const A scale = static_cast<A>(head.scale);
  for (int64_t i = 0; i < queries; ++i) {
    A* row = scores + i * kKeys;
    const int64_t width = scale_and_mask(row, std::min(keys, query + i + 1 - key), scale);
    const A largest = cpu::row_max(row, width);
    if (key == 0) {
      softmax.maxima[i] = largest;
      softmax.sums[i] = exponentials(row, width, largest);
      continue;
    }
    const A shift = std::max(largest, softmax.maxima[i]);
    const A shrink = cpu::exp(softmax.maxima[i] - shift);
    softmax.sums[i] = softmax.sums[i] * shrink + exponentials(row, width, shift);
    softmax.maxima[i] = shift;
    A* unscaled = out + i * head.size;
#pragma omp simd
    for (int64_t d = 0; d < head.size; ++d) unscaled[d] *= shrink;
  }
}

template <typename T, typename A = accumulator_t<T>>
void forward_queries(Rows<A> out, LogSumExp<A> log_sum_exp, const RowProducts<T>& score_block,
                     Rows<const A> v, const Head& head, int64_t query) {
  const int64_t queries = std::min(kQueries, head.time - query);
  A* scores = cpu::scratch<A>(cpu::Scratch::kAttentionBlock, kQueries * (kKeys + head.size));
  A* unscaled = scores + kQueries * kKeys;  // (queries, head size): the output before division
  Softmax<A> softmax;
  for (int64_t key = 0; key < query + queries; key += kKeys) {
    const int64_t keys = std::min(kKeys, query + queries - key);
    score_block(scores, head, query, queries, key, keys);
    online_softmax(scores, softmax, unscaled, head, query, queries, key, keys);
    cpu::multiply(unscaled, scores, v.row(key),
                  {.m = queries,
                   .n = head.size,
                   .k = keys,
                   .lda = kKeys,
                   .ldb = v.stride,
                   .ldc = head.size,
                   .accumulate = key > 0});
  }
  for (int64_t i = 0; i < queries; ++i) {
    log_sum_exp.store(query + i, softmax.maxima[i], std::log(softmax.sums[i]));
    const A factor = A(1) / softmax.sums[i];
    A* to = out.row(query + i);
#pragma omp simd
    for (int64_t d = 0; d < head.size; ++d) to[d] = unscaled[i * head.size + d] * factor;
  }
}

// Replaces scores by probabilities, and gradients of probabilities by gradients of scores, for the
// first `seen` keys of a query; sets the others to 0.
template <typename A>
void differentiate_row(A* scores, A* grads, int64_t seen, LogSumExp<const A> log_sum_exp, A delta,
                       A scale) {
  const A rounded = *log_sum_exp.rounded, rest = *log_sum_exp.rest;
  const int64_t width = scale_and_mask(scores, seen, scale);
#pragma omp simd
  for (int64_t j = 0; j < width; ++j) {
    scores[j] = cpu::exp((scores[j] - rounded) - rest);
    grads[j] = scores[j] * (grads[j] - delta) * scale;
  }
  std::fill(scores + width, scores + kKeys, A(0));
  std::fill(grads + width, grads + kKeys, A(0));
}

template <typename A>
struct Gradients {
  Rows<A> q, k, v;
};

// grad_block: the products of grad_out and v.
template <typename T, typename A = accumulator_t<T>>
void backward_head(const Gradients<A>& grad, const RowProducts<T>& score_block,
                   const RowProducts<T>& grad_block, Rows<const A> grad_out, Rows<const A> q,
                   Rows<const A> k, LogSumExp<const A> log_sum_exp, const A* delta,
                   const Head& head) {
  A* scores = cpu::scratch<A>(cpu::Scratch::kAttentionBlock, 2 * kQueries * kKeys);
  A* grads = scores + kQueries * kKeys;
  for (int64_t key = 0; key < head.time; key += kKeys) {
    const int64_t keys = std::min(kKeys, head.time - key);
    for (int64_t query = key / kQueries * kQueries; query < head.time; query += kQueries) {
      const int64_t queries = std::min(kQueries, head.time - query);
      const bool first = query <= key;
      score_block(scores, head, query, queries, key, keys);
      grad_block(grads, head, query, queries, key, keys);
      for (int64_t i = 0; i < queries; ++i) {
        differentiate_row(scores + i * kKeys, grads + i * kKeys,
                          std::min(keys, query + i + 1 - key), log_sum_exp.from(query + i),
                          delta[query + i], static_cast<A>(head.scale));
      }
      cpu::multiply(grad.v.row(key), scores, grad_out.row(query),
                    {.m = keys,
                     .n = head.size,
                     .k = queries,
                     .transpose_a = true,
                     .lda = kKeys,
                     .ldb = grad_out.stride,
                     .ldc = grad.v.stride,
                     .accumulate = !first});
      cpu::multiply(grad.k.row(key), grads, q.row(query),
                    {.m = keys,
                     .n = head.size,
                     .k = queries,
                     .transpose_a = true,
                     .lda = kKeys,
                     .ldb = q.stride,
                     .ldc = grad.k.stride,
                     .accumulate = !first});
      cpu::multiply(grad.q.row(query), grads, k.row(key),
                    {.m = queries,
                     .n = head.size,
                     .k = keys,
                     .lda = kKeys,
                     .ldb = k.stride,
                     .ldc = grad.q.stride,
                     .accumulate = key > 0});
    }
  }
}

// Rows of a head in the accumulator type: `data` itself, or a contiguous copy at `copy`, which is
// advanced past it.
template <typename T>
Rows<const accumulator_t<T>> widened(const T* data, int64_t stride, const Head& head,
                                     accumulator_t<T>*& copy) {
  if constexpr (std::is_same_v<T, accumulator_t<T>>) {
    return {data, stride};
  } else {
    float* out = copy;
    copy += head.time * head.size;
    for (int64_t t = 0; t < head.time; ++t) {
      for (int64_t d = 0; d < head.size; ++d) {
        out[t * head.size + d] = static_cast<float>(data[t * stride + d]);
      }
    }
    return {out, head.size};
  }
}

// Where to compute a result for `data`: `data` itself if it has the accumulator type, else `copy`,
// which is advanced past it.
template <typename T>
Rows<accumulator_t<T>> result(T* data, int64_t stride, const Head& head, accumulator_t<T>*& copy) {
  if constexpr (std::is_same_v<T, accumulator_t<T>>) {
    return {data, stride};
  } else {
    float* out = copy;
    copy += head.time * head.size;
    return {out, head.size};
  }
}

// Converts a result that was computed in a copy, and writes it to `data`.
template <typename T>
void narrow(T* data, int64_t stride, const Head& head, Rows<accumulator_t<T>> from) {
  if constexpr (!std::is_same_v<T, accumulator_t<T>>) {
    for (int64_t t = 0; t < head.time; ++t) {
      for (int64_t d = 0; d < head.size; ++d) data[t * stride + d] = T(from.row(t)[d]);
    }
  }
}

// Scratch for `count` copies of a head, or null if T is the accumulator type.
template <typename T>
accumulator_t<T>* copies(const Head& head, int64_t count) {
  if constexpr (std::is_same_v<T, accumulator_t<T>>) return nullptr;
  return cpu::scratch<accumulator_t<T>>(cpu::Scratch::kAttention, count * head.time * head.size);
}

// Offsets of one head: in the packed tensors, in contiguous ones, and in (batch, heads, time).
struct HeadOffsets {
  int64_t packed, contiguous, rows;
};

// Calls body(offsets) for each head of each sample.
template <typename Body>
void for_each_head(const AttentionShape& s, const Body& body) {
  cpu::parallel_for(s.batch * s.heads, s.time * s.time * s.head_size / 8, [&](int64_t item) {
    const int64_t b = item / s.heads, h = item % s.heads;
    body(HeadOffsets{b * s.qkv_batch_stride + h * s.head_size,
                     (b * s.time * s.heads + h) * s.head_size, item * s.time});
  });
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
void attention_forward(OnCpu, T* out, accumulator_t<T>* log_sum_exp, void*, const T* q, const T* k,
                       const T* v, const AttentionShape& shape) {
  const Head head{shape.time, shape.head_size, shape.scale};
  const int64_t stride = shape.qkv_time_stride, out_stride = shape.heads * shape.head_size;
  for_each_head(shape, [&](const HeadOffsets& offset) {
    accumulator_t<T>* copy = copies<T>(head, 4);
    RowProducts<T> score_block{{q + offset.packed, stride}, {k + offset.packed, stride}, {}, {}};
    if (!multiplies<T>()) {
      score_block.wide_left = widened(q + offset.packed, stride, head, copy);
      score_block.wide_right = widened(k + offset.packed, stride, head, copy);
    }
    const auto values = widened(v + offset.packed, stride, head, copy);
    const auto results = result(out + offset.contiguous, out_stride, head, copy);
    const auto sums = LogSumExp<accumulator_t<T>>::at(log_sum_exp, shape, offset.rows);
    for (int64_t query = 0; query < head.time; query += kQueries) {
      forward_queries(results, sums, score_block, values, head, query);
    }
    narrow(out + offset.contiguous, out_stride, head, results);
  });
}

template <typename T>
void attention_backward(OnCpu, const AttentionBackwardArguments<T>& args,
                        const AttentionShape& shape) {
  using A = accumulator_t<T>;
  const Head head{shape.time, shape.head_size, shape.scale};
  const int64_t stride = shape.qkv_time_stride, out_stride = shape.heads * shape.head_size;
  for_each_head(shape, [&](const HeadOffsets& offset) {
    // delta (time): sum over d of out * grad_out.
    A* delta = static_cast<A*>(args.workspace) + offset.rows;
    for (int64_t t = 0; t < head.time; ++t) {
      const T* o = args.out + offset.contiguous + t * out_stride;
      const T* g = args.grad_out + offset.contiguous + t * out_stride;
      delta[t] = cpu::row_sum<A>(head.size, [o, g](int64_t d) { return A(o[d]) * A(g[d]); });
    }
    A* copy = copies<T>(head, 7);
    const auto grads = widened(args.grad_out + offset.contiguous, out_stride, head, copy);
    const auto queries = widened(args.q + offset.packed, stride, head, copy);
    const auto keys = widened(args.k + offset.packed, stride, head, copy);
    RowProducts<T> score_block{
        {args.q + offset.packed, stride}, {args.k + offset.packed, stride}, {}, {}};
    RowProducts<T> grad_block{
        {args.grad_out + offset.contiguous, out_stride}, {args.v + offset.packed, stride}, {}, {}};
    if (!multiplies<T>()) {
      score_block.wide_left = queries;
      score_block.wide_right = keys;
      grad_block.wide_left = grads;
      grad_block.wide_right = widened(args.v + offset.packed, stride, head, copy);
    }
    const Gradients<A> results{result(args.grad_q + offset.packed, stride, head, copy),
                               result(args.grad_k + offset.packed, stride, head, copy),
                               result(args.grad_v + offset.packed, stride, head, copy)};
    const auto sums = LogSumExp<const A>::at(args.log_sum_exp, shape, offset.rows);
    backward_head(results, score_block, grad_block, grads, queries, keys, sums, delta, head);
    narrow(args.grad_q + offset.packed, stride, head, results.q);
    narrow(args.grad_k + offset.packed, stride, head, results.k);
    narrow(args.grad_v + offset.packed, stride, head, results.v);
  });
}

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
