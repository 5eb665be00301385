#include "ripieno/kernels/embedding.h"

#include <algorithm>

#include "ripieno/kernels/cpu/support/convert.h"
#include "ripieno/kernels/cpu/support/parallel.h"
#include "ripieno/kernels/element_types.h"

namespace ripieno::kernels {

namespace {

// Stable counting sort of positions by id: those of id v are order[i] for i in [begin[v],
// begin[v + 1]). begin: (vocab + 1); order: (count). Ids out of range are skipped.
void sort_by_id(int32_t* begin, int32_t* order, const int32_t* ids, int64_t count, int64_t vocab) {
  std::fill_n(begin, vocab + 1, 0);
  const auto is_valid = [&](int64_t i) { return ids[i] >= 0 && ids[i] < vocab; };
  for (int64_t i = 0; i < count; ++i) {
    if (is_valid(i)) ++begin[ids[i] + 1];
  }
  for (int64_t v = 0; v < vocab; ++v) begin[v + 1] += begin[v];
  for (int64_t i = 0; i < count; ++i) {
    if (is_valid(i)) order[begin[ids[i]]++] = static_cast<int32_t>(i);
  }
  // Each begin has advanced to the end of its id, which is the begin of the next id.
  for (int64_t v = vocab; v > 0; --v) begin[v] = begin[v - 1];
  begin[0] = 0;
}

}  // namespace

template <typename T>
void embedding_forward(OnCpu, T* out, const T* table, const int32_t* ids, const T* positions,
                       int64_t time, const EmbeddingShape& shape) {
  using A = accumulator_t<T>;
  const int64_t channels = shape.channels;
  cpu::for_each_row(shape.count, channels, [&](int64_t i) {
    T* row = out + i * channels;
    if (ids[i] >= 0 && ids[i] < shape.vocab) {
      std::copy_n(table + ids[i] * channels, channels, row);
    } else {
      std::fill_n(row, channels, T(A(0)));
    }
    if (positions == nullptr) return;
    const T* position = positions + i % time * channels;
#pragma omp simd
    for (int64_t c = 0; c < channels; ++c) row[c] = cpu::convert<T>(A(row[c]) + A(position[c]));
  });
}

template <typename T>
std::size_t embedding_workspace_bytes(OnCpu, const EmbeddingShape& shape) {
  return static_cast<std::size_t>(shape.vocab + 1 + shape.count) * sizeof(int32_t);
}

template <typename T>
void embedding_backward(OnCpu, T* grad_table, void* workspace, const T* grad_out,
                        const int32_t* ids, const EmbeddingShape& shape, bool accumulate) {
  using A = accumulator_t<T>;
  constexpr int64_t kColumns = 128;
  const auto [count, vocab, channels] = shape;
  auto* const begin = static_cast<int32_t*>(workspace);  // (vocab + 1)
  int32_t* const order = begin + vocab + 1;              // (count)
  sort_by_id(begin, order, ids, count, vocab);
  const int64_t work = (count / std::max<int64_t>(vocab, 1) + 1) * channels;
  cpu::parallel_for(vocab, work, [&, channels = channels](int64_t v) {
    if (accumulate && begin[v] == begin[v + 1]) return;
    for (int64_t from = 0; from < channels; from += kColumns) {
      const int64_t columns = std::min(kColumns, channels - from);
      T* grad = grad_table + v * channels + from;
      A sums[kColumns] = {};
      for (int32_t at = begin[v]; at < begin[v + 1]; ++at) {
        const T* row = grad_out + order[at] * channels + from;
        for (int64_t c = 0; c < columns; ++c) sums[c] += A(row[c]);
      }
      for (int64_t c = 0; c < columns; ++c) {
        grad[c] = T(accumulate ? A(grad[c]) + sums[c] : sums[c]);
      }
    }
  });
}

template void embedding_forward(OnCpu, float*, const float*, const int32_t*, const float*, int64_t,
                                const EmbeddingShape&);
template void embedding_forward(OnCpu, double*, const double*, const int32_t*, const double*,
                                int64_t, const EmbeddingShape&);
template void embedding_forward(OnCpu, bfloat16*, const bfloat16*, const int32_t*, const bfloat16*,
                                int64_t, const EmbeddingShape&);
template void embedding_forward(OnCpu, float16*, const float16*, const int32_t*, const float16*,
                                int64_t, const EmbeddingShape&);

template std::size_t embedding_workspace_bytes<float>(OnCpu, const EmbeddingShape&);
template std::size_t embedding_workspace_bytes<double>(OnCpu, const EmbeddingShape&);
template std::size_t embedding_workspace_bytes<bfloat16>(OnCpu, const EmbeddingShape&);
template std::size_t embedding_workspace_bytes<float16>(OnCpu, const EmbeddingShape&);

template void embedding_backward(OnCpu, float*, void*, const float*, const int32_t*,
                                 const EmbeddingShape&, bool);
template void embedding_backward(OnCpu, double*, void*, const double*, const int32_t*,
                                 const EmbeddingShape&, bool);
template void embedding_backward(OnCpu, bfloat16*, void*, const bfloat16*, const int32_t*,
                                 const EmbeddingShape&, bool);
template void embedding_backward(OnCpu, float16*, void*, const float16*, const int32_t*,
                                 const EmbeddingShape&, bool);

}  // namespace ripieno::kernels
