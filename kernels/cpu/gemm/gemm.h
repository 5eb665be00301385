// Matrix products in float and double, used by matmul and attention.
//
// Each element of the result is summed in the order of k, in blocks that depend on k alone. So it
// depends neither on the number of threads nor on the numbers of rows and columns. Large products
// in float run on oneDNN if the build has it and the processor has AVX-512; tests verify that its
// results do not depend on the number of threads either.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "ripieno/kernels/cpu/support/parallel.h"
#include "ripieno/kernels/cpu/support/scratch.h"

namespace ripieno::kernels::cpu {

// Shapes and strides as in MatmulShape, all row-major.
struct Gemm {
  int64_t m = 0, n = 0, k = 0;
  bool transpose_a = false, transpose_b = false;
  int64_t lda = 0, ldb = 0, ldc = 0;
  bool accumulate = false;
};

// A rectangle of the result.
struct Tile {
  int64_t row, rows, col, cols;
};

namespace detail {

// Vector size of the CPU level that this is compiled for; a panel of packed b is two vectors wide.
#if defined(__AVX512F__)
inline constexpr int kVectorBytes = 64;
#elif defined(__AVX__)
inline constexpr int kVectorBytes = 32;
#else
inline constexpr int kVectorBytes = 16;
#endif
template <typename A>
inline constexpr int64_t kPanelCols = 2 * kVectorBytes / sizeof(A);

inline constexpr int64_t kBlockDepth =
    256;  // along k: a panel of float takes 32 KiB, and stays in the L1 cache
inline constexpr int64_t kBlockCols = 2048;  // along n: packed b takes at most 2 MiB
inline constexpr int64_t kBlockRows =
    56;  // along m: rows that are finished together, while they are in the L2 cache

// One step of a product: all rows, some columns, a range of k.
struct Block {
  int64_t col, cols, depth_begin, depth;
  bool last;  // whether depth_begin + depth is k
};

// Calls body(block) for each block in order. k is split as evenly as possible.
template <typename Body>
void for_each_block_of(const Gemm& gemm, const Body& body) {
  const int64_t blocks = (gemm.k + kBlockDepth - 1) / kBlockDepth;
  const int64_t depth = (gemm.k + blocks - 1) / blocks;
  for (int64_t col = 0; col < gemm.n; col += kBlockCols) {
    const int64_t cols = std::min(kBlockCols, gemm.n - col);
    for (int64_t at = 0; at < gemm.k; at += depth) {
      body(Block{col, cols, at, std::min(depth, gemm.k - at), at + depth >= gemm.k});
    }
  }
}

template <typename A>
int64_t packed_size(const Gemm& gemm) {
  const int64_t cols = std::min(kBlockCols, gemm.n) + kPanelCols<A> - 1;
  return cols / kPanelCols<A> * kPanelCols<A> * std::min(kBlockDepth, gemm.k);
}

// Copies panel number `panel` of b's block, (depth, kPanelCols), padded with zero columns.
template <typename A>
void pack_panel(A* packed, const A* b, const Gemm& gemm, const Block& block, int64_t panel);

// Computes `tile` of the product of a and the packed block of b. tile.col is a multiple of
// kPanelCols relative to the block.
template <typename A>
void multiply_packed(A* c, const A* a, const A* packed, const Gemm& gemm, const Block& block,
                     const Tile& tile);

// Whether the build has a library that is faster for this product.
bool library_is_faster(const Gemm& gemm);
// Computes a tile of the product with the library, on the calling thread.
void multiply_by_library(float* c, const float* a, const float* b, const Gemm& gemm,
                         const Tile& tile);

// A split of the result into down x across tiles of at most rows_each x cols_each.
struct Partition {
  int64_t rows_each, down, cols_each, across;
};

// The split for `threads` threads that gives the busiest thread the least work.
template <typename A>
Partition partition(int64_t rows, int64_t cols, int64_t threads);

}  // namespace detail

// c = a b, or c += a b if gemm.accumulate, on the calling thread. m, n and k are at least 1.
template <typename A>
void multiply(A* c, const A* a, const A* b, const Gemm& gemm) {
  A* packed = scratch<A>(Scratch::kPacked, detail::packed_size<A>(gemm));
  detail::for_each_block_of(gemm, [&](const detail::Block& block) {
    for (int64_t panel = 0; panel * detail::kPanelCols<A> < block.cols; ++panel) {
      detail::pack_panel(packed, b, gemm, block, panel);
    }
    detail::multiply_packed(c, a, packed, gemm, block, {0, gemm.m, block.col, block.cols});
  });
}

// The same on the team, in strips of rows or columns that a library multiplies. A strip has a
// multiple of kStrip rows or columns, and the last one also the remainder: oneDNN sums in another
// order if there are only a few rows.
template <typename Finish>
void multiply_by_library(float* c, const float* a, const float* b, const Gemm& gemm,
                         const Finish& finish) {
  constexpr int64_t kStrip = 64;
  const bool by_rows = gemm.m >= gemm.n;
  const int64_t size = by_rows ? gemm.m : gemm.n, threads = cpu_threads();
  const int64_t whole = std::max<int64_t>(1, size / kStrip);
  const int64_t each = (whole + threads - 1) / threads, strips = (whole + each - 1) / each;
  parallel_for(strips, gemm.m * gemm.n, [&](int64_t item) {
    const int64_t begin = item * each * kStrip;
    const int64_t end = item + 1 == strips ? size : begin + each * kStrip;
    Tile tile{0, gemm.m, 0, gemm.n};
    (by_rows ? tile.row : tile.col) = begin;
    (by_rows ? tile.rows : tile.cols) = end - begin;
    detail::multiply_by_library(c, a, b, gemm, tile);
    finish(tile);
  });
}

// The same on the team. finish(tile) is called once for each tile of c when it is complete, while
// it is in cache.
template <typename A, typename Finish>
void multiply_by_team(A* c, const A* a, const A* b, const Gemm& gemm, const Finish& finish) {
  if constexpr (std::is_same_v<A, float>) {
    if (detail::library_is_faster(gemm)) return multiply_by_library(c, a, b, gemm, finish);
  }
  A* packed = scratch<A>(Scratch::kPacked, detail::packed_size<A>(gemm));
  detail::for_each_block_of(gemm, [&](const detail::Block& block) {
    const int64_t panels = (block.cols + detail::kPanelCols<A> - 1) / detail::kPanelCols<A>;
    const int64_t panel_work = detail::kPanelCols<A> * block.depth;
    parallel_for(panels, panel_work,
                 [&](int64_t panel) { detail::pack_panel(packed, b, gemm, block, panel); });
    const auto partition = detail::partition<A>(gemm.m, block.cols, cpu_threads());
    const int64_t work = partition.rows_each * partition.cols_each * block.depth / 32;
    parallel_for(partition.down * partition.across, work, [&](int64_t item) {
      const int64_t begin = item / partition.across * partition.rows_each;
      const int64_t end = std::min(gemm.m, begin + partition.rows_each);
      const int64_t col = item % partition.across * partition.cols_each;
      const int64_t cols = std::min(partition.cols_each, block.cols - col);
      for (int64_t row = begin; row < end; row += detail::kBlockRows) {
        const Tile tile{row, std::min(detail::kBlockRows, end - row), block.col + col, cols};
        detail::multiply_packed(c, a, packed, gemm, block, tile);
        if (block.last) finish(tile);
      }
    });
  });
}

}  // namespace ripieno::kernels::cpu
