#include "ripieno/kernels/cpu/gemm/gemm.h"

#include <array>
#include <limits>
#include <utility>

namespace ripieno::kernels::cpu::detail {

namespace {

template <typename A>
using Vector [[gnu::vector_size(kVectorBytes), gnu::aligned(alignof(A)), gnu::may_alias]] = A;
template <typename A>
constexpr int kLanes = kVectorBytes / sizeof(A);

// Rows of sums that the inner kernel holds in registers, two vectors each: 28 of the 32 registers
// of AVX-512, otherwise 12 of 16.
constexpr int kKernelRows = kVectorBytes == 64 ? 14 : 6;

template <typename A>
Vector<A> load(const A* from) {
  return *reinterpret_cast<const Vector<A>*>(from);
}
template <typename A>
void store(A* to, Vector<A> value) {
  *reinterpret_cast<Vector<A>*>(to) = value;
}

// c = a * panel, or c += a * panel if `accumulate`.   c: (rows, cols); a: (rows, depth); panel:
// (depth, kPanelCols), packed.
template <typename A, int rows, bool transpose_a>
void multiply_panel(A* c, int64_t ldc, const A* a, int64_t lda, const A* panel, int64_t depth,
                    int64_t cols, bool accumulate) {
  Vector<A> sums[rows][2];
#pragma GCC unroll 14
  for (int i = 0; i < rows; ++i) sums[i][0] = sums[i][1] = Vector<A>{};
  for (int64_t p = 0; p < depth; ++p) {
    const Vector<A> left = load(panel + p * kPanelCols<A>);
    const Vector<A> right = load(panel + p * kPanelCols<A> + kLanes<A>);
#pragma GCC unroll 14
    for (int i = 0; i < rows; ++i) {
      const A x = transpose_a ? a[p * lda + i] : a[i * lda + p];
      sums[i][0] += x * left;
      sums[i][1] += x * right;
    }
  }
  if (cols == kPanelCols<A>) {
#pragma GCC unroll 14
    for (int i = 0; i < rows; ++i) {
      A* row = c + i * ldc;
      store<A>(row, accumulate ? load(row) + sums[i][0] : sums[i][0]);
      A* rest = row + kLanes<A>;
      store<A>(rest, accumulate ? load(rest) + sums[i][1] : sums[i][1]);
    }
    return;
  }
  A values[rows][kPanelCols<A>];
#pragma GCC unroll 14
  for (int i = 0; i < rows; ++i) {
    store<A>(values[i], sums[i][0]);
    store<A>(values[i] + kLanes<A>, sums[i][1]);
  }
  for (int i = 0; i < rows; ++i) {
    A* row = c + i * ldc;
    for (int64_t j = 0; j < cols; ++j) row[j] = accumulate ? row[j] + values[i][j] : values[i][j];
  }
}

template <typename A>
using PanelKernel = void (*)(A*, int64_t, const A*, int64_t, const A*, int64_t, int64_t, bool);

// Inner kernels for 1 to kKernelRows rows.
template <typename A, bool transpose_a, int... rows>
constexpr std::array<PanelKernel<A>, sizeof...(rows)> panel_kernels(
    std::integer_sequence<int, rows...>) {
  return {multiply_panel<A, rows + 1, transpose_a>...};
}
template <typename A, bool transpose_a>
constexpr auto kPanelKernels =
    panel_kernels<A, transpose_a>(std::make_integer_sequence<int, kKernelRows>());

template <typename A>
using LaneIndex [[gnu::vector_size(kVectorBytes)]] =
    std::conditional_t<sizeof(A) == 4, int32_t, int64_t>;

// Transposes a square of vectors: each step exchanges blocks of half the size between pairs.
template <typename A>
void transpose(Vector<A> (&square)[kLanes<A>]) {
#pragma GCC unroll 4
  for (int half = kLanes<A> / 2; half > 0; half /= 2) {
    LaneIndex<A> first{}, second{};  // initialized: GCC at -O1 does not see the loop fill them
    for (int lane = 0; lane < kLanes<A>; ++lane) {
      first[lane] = lane & half ? kLanes<A> + lane - half : lane;
      second[lane] = lane & half ? kLanes<A> + lane : lane + half;
    }
#pragma GCC unroll 16
    for (int i = 0; i < kLanes<A>; ++i) {
      if (i & half) continue;
      const Vector<A> upper = square[i], lower = square[i + half];
      square[i] = __builtin_shuffle(upper, lower, first);
      square[i + half] = __builtin_shuffle(upper, lower, second);
    }
  }
}

// Packs a panel of b stored as (n, k): `cols` rows of b become columns.
template <typename A>
void pack_transposed(A* packed, const A* b, int64_t ldb, int64_t depth, int64_t cols) {
  for (int64_t j = 0; j < kPanelCols<A>; j += kLanes<A>) {
    int64_t p = 0;
    for (; j + kLanes<A> <= cols && p + kLanes<A> <= depth; p += kLanes<A>) {
      Vector<A> square[kLanes<A>];
#pragma GCC unroll 16
      for (int i = 0; i < kLanes<A>; ++i) square[i] = load(b + (j + i) * ldb + p);
      transpose<A>(square);
#pragma GCC unroll 16
      for (int i = 0; i < kLanes<A>; ++i) store<A>(packed + (p + i) * kPanelCols<A> + j, square[i]);
    }
    for (; p < depth; ++p) {
      A* row = packed + p * kPanelCols<A> + j;
      for (int i = 0; i < kLanes<A>; ++i) row[i] = j + i < cols ? b[(j + i) * ldb + p] : A(0);
    }
  }
}

template <typename A>
void pack_straight(A* packed, const A* b, int64_t ldb, int64_t depth, int64_t cols) {
  for (int64_t p = 0; p < depth; ++p) {
    A* row = packed + p * kPanelCols<A>;
    const A* from = b + p * ldb;
    if (cols == kPanelCols<A>) {
      store<A>(row, load(from));
      store<A>(row + kLanes<A>, load(from + kLanes<A>));
    } else {
      for (int64_t j = 0; j < kPanelCols<A>; ++j) row[j] = j < cols ? from[j] : A(0);
    }
  }
}

}  // namespace

template <typename A>
void pack_panel(A* packed, const A* b, const Gemm& gemm, const Block& block, int64_t panel) {
  const int64_t begin = panel * kPanelCols<A>;
  const int64_t cols = std::min(kPanelCols<A>, block.cols - begin), col = block.col + begin;
  A* to = packed + begin * block.depth;
  if (gemm.transpose_b) {
    pack_transposed(to, b + col * gemm.ldb + block.depth_begin, gemm.ldb, block.depth, cols);
  } else {
    pack_straight(to, b + block.depth_begin * gemm.ldb + col, gemm.ldb, block.depth, cols);
  }
}

template <typename A>
void multiply_packed(A* c, const A* a, const A* packed, const Gemm& gemm, const Block& block,
                     const Tile& tile) {
  const auto& kernels = gemm.transpose_a ? kPanelKernels<A, true> : kPanelKernels<A, false>;
  const int64_t row_stride = gemm.transpose_a ? 1 : gemm.lda;
  const A* left = a + block.depth_begin * (gemm.transpose_a ? gemm.lda : 1);
  const bool accumulate = gemm.accumulate || block.depth_begin > 0;
  for (int64_t j = 0; j < tile.cols; j += kPanelCols<A>) {
    const int64_t cols = std::min(kPanelCols<A>, tile.cols - j), col = tile.col + j;
    const A* panel = packed + (col - block.col) * block.depth;
    for (int64_t i = 0; i < tile.rows; i += kKernelRows) {
      const int64_t rows = std::min<int64_t>(kKernelRows, tile.rows - i), row = tile.row + i;
      kernels[rows - 1](c + row * gemm.ldc + col, gemm.ldc, left + row * row_stride, gemm.lda,
                        panel, block.depth, cols, accumulate);
    }
  }
}

template <typename A>
Partition partition(int64_t rows, int64_t cols, int64_t threads) {
  const auto ceil_divide = [](int64_t size, int64_t each) { return (size + each - 1) / each; };
  const int64_t groups = ceil_divide(rows, kKernelRows), panels = ceil_divide(cols, kPanelCols<A>);
  Partition best{};
  int64_t least = std::numeric_limits<int64_t>::max();
  for (int64_t down = 1; down <= threads; ++down) {
    const int64_t groups_each = ceil_divide(groups, down),
                  panels_each = ceil_divide(panels, threads / down);
    if (groups_each * panels_each >= least) continue;
    least = groups_each * panels_each;
    best.rows_each = groups_each * kKernelRows;
    best.cols_each = panels_each * kPanelCols<A>;
  }
  best.down = ceil_divide(rows, best.rows_each);
  best.across = ceil_divide(cols, best.cols_each);
  return best;
}

template void pack_panel(float*, const float*, const Gemm&, const Block&, int64_t);
template void pack_panel(double*, const double*, const Gemm&, const Block&, int64_t);

template void multiply_packed(float*, const float*, const float*, const Gemm&, const Block&,
                              const Tile&);
template void multiply_packed(double*, const double*, const double*, const Gemm&, const Block&,
                              const Tile&);

template Partition partition<float>(int64_t, int64_t, int64_t);
template Partition partition<double>(int64_t, int64_t, int64_t);

}  // namespace ripieno::kernels::cpu::detail
