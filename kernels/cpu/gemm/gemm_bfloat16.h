// Matrix products of bfloat16 with sums in float, by the bfloat16 instructions of a processor
// (AVX512-BF16). To be called only if uses_bfloat16_instructions() (cpu_bfloat16.h).
//
// The results are those of gemm.h for the same factors in float: an instruction adds two products,
// which are exact, one after the other, and rounds after each. Only elements, products and sums
// below 2^-126 differ, which the instructions take as zero.
#pragma once

#include <algorithm>
#include <cstdint>

#include "ripieno/kernels/cpu/gemm/gemm.h"
#include "ripieno/kernels/cpu/support/parallel.h"
#include "ripieno/kernels/cpu/support/scratch.h"
#include "ripieno/kernels/element_types.h"

namespace ripieno::kernels::cpu {

namespace detail {

// Tiles that are computed at once: their sums and the packed rows of a stay in the L2 cache.
inline constexpr int64_t kBfloat16Rows = 56, kBfloat16Cols = 512;
inline constexpr int64_t kBfloat16PanelCols = 32;
inline constexpr int64_t kBfloat16PackedWords = int64_t{1} << 21;  // of b, at once

// Size of a packed panel of b with all of k, in words of two elements.
int64_t bfloat16_panel_words(const Gemm& gemm);
// Packs the columns of b from `col` on that fit into a panel, all of k.
void pack_bfloat16_panel(uint32_t* packed, const bfloat16* b, const Gemm& gemm, int64_t col);
// c = `tile` of the product, or c += `tile` if gemm.accumulate. c: (tile.rows, tile.cols), at most
// kBfloat16Rows rows; packed: the panels of b from column tile.col on.
void multiply_bfloat16_tile(float* c, int64_t ldc, const bfloat16* a, const uint32_t* packed,
                            const Gemm& gemm, const Tile& tile);

// Where the sums of a tile are written: rows of `stride` elements.
struct Bfloat16Sums {
  float* data;
  int64_t stride;
};

// Columns of b that are packed at once.
inline int64_t bfloat16_chunk(const Gemm& gemm) {
  const int64_t fitting = 2 * kBfloat16PackedWords / gemm.k / kBfloat16Cols * kBfloat16Cols;
  return std::clamp(fitting, kBfloat16Cols, kBlockCols);
}

// Computes the product on the team in tiles: target(tile) returns the Bfloat16Sums to write, and
// finish(tile, sums, stride) is called when they are complete.
template <typename Target, typename Finish>
void multiply_bfloat16_tiles(const bfloat16* a, const bfloat16* b, const Gemm& gemm,
                             const Target& target, const Finish& finish) {
  const int64_t panel_words = bfloat16_panel_words(gemm), chunk = bfloat16_chunk(gemm);
  const auto panels_of = [](int64_t cols) {
    return (cols + kBfloat16PanelCols - 1) / kBfloat16PanelCols;
  };
  uint32_t* packed =
      scratch<uint32_t>(Scratch::kPacked, panels_of(std::min(chunk, gemm.n)) * panel_words);
  // Several pieces for each thread: one that is interrupted leaves the rest to the others.
  const int64_t pieces = cpu_threads() > 1 ? 4 * cpu_threads() : 1;
  for (int64_t first = 0; first < gemm.n; first += chunk) {
    const int64_t width = std::min(chunk, gemm.n - first);
    parallel_for(panels_of(width), panel_words, [&](int64_t panel) {
      pack_bfloat16_panel(packed + panel * panel_words, b, gemm,
                          first + panel * kBfloat16PanelCols);
    });
    const Partition split = partition<float>(gemm.m, width, pieces);
    const int64_t work = split.rows_each * split.cols_each * gemm.k / 64;
    parallel_for(split.down * split.across, work, [&](int64_t item) {
      const int64_t top = item / split.across * split.rows_each;
      const int64_t bottom = std::min(gemm.m, top + split.rows_each);
      const int64_t left = item % split.across * split.cols_each;
      const int64_t right = std::min(width, left + split.cols_each);
      for (int64_t row = top; row < bottom; row += kBfloat16Rows) {
        for (int64_t col = left; col < right; col += kBfloat16Cols) {
          const Tile tile{row, std::min(kBfloat16Rows, bottom - row), first + col,
                          std::min(kBfloat16Cols, right - col)};
          const auto [sums, stride] = target(tile);
          multiply_bfloat16_tile(sums, stride, a, packed + col / kBfloat16PanelCols * panel_words,
                                 gemm, tile);
          finish(tile, sums, stride);
        }
      }
    });
  }
}

}  // namespace detail

// c = a b, or c += a b if gemm.accumulate, on the calling thread. m, n and k are at least 1.
inline void multiply_bfloat16(float* c, const bfloat16* a, const bfloat16* b, const Gemm& gemm) {
  const int64_t panel_words = detail::bfloat16_panel_words(gemm);
  const int64_t panels = (gemm.n + detail::kBfloat16PanelCols - 1) / detail::kBfloat16PanelCols;
  uint32_t* packed = scratch<uint32_t>(Scratch::kPacked, panels * panel_words);
  for (int64_t panel = 0; panel < panels; ++panel) {
    detail::pack_bfloat16_panel(packed + panel * panel_words, b, gemm,
                                panel * detail::kBfloat16PanelCols);
  }
  for (int64_t row = 0; row < gemm.m; row += detail::kBfloat16Rows) {
    const int64_t rows = std::min(detail::kBfloat16Rows, gemm.m - row);
    detail::multiply_bfloat16_tile(c + row * gemm.ldc, gemm.ldc, a, packed, gemm,
                                   {row, rows, 0, gemm.n});
  }
}

// c = a b, or c += a b if gemm.accumulate, on the team.
inline void multiply_bfloat16_by_team(float* c, const bfloat16* a, const bfloat16* b,
                                      const Gemm& gemm) {
  const auto target = [&](const Tile& tile) {
    return detail::Bfloat16Sums{c + tile.row * gemm.ldc + tile.col, gemm.ldc};
  };
  detail::multiply_bfloat16_tiles(a, b, gemm, target, [](const Tile&, const float*, int64_t) {});
}

// Computes a b on the team in tiles, and calls finish(tile, sums, stride) for each: its sums are in
// rows of `stride` elements, and are overwritten after the call.
template <typename Finish>
void multiply_bfloat16_then(const bfloat16* a, const bfloat16* b, const Gemm& gemm,
                            const Finish& finish) {
  const auto target = [](const Tile& tile) {
    return detail::Bfloat16Sums{scratch<float>(Scratch::kOut, tile.rows * detail::kBfloat16Cols),
                                detail::kBfloat16Cols};
  };
  detail::multiply_bfloat16_tiles(a, b, gemm, target, finish);
}

}  // namespace ripieno::kernels::cpu
