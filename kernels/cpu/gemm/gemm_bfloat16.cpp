#include "ripieno/kernels/cpu/gemm/gemm_bfloat16.h"

#include <array>
#include <atomic>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "ripieno/kernels/cpu_bfloat16.h"

// No level of x86-64 has the instructions. They are compiled into one function of the highest
// level, multiply_panel(), which is only called on processors that have them.
#if defined(__AVX512F__)
#include <immintrin.h>
#endif

namespace ripieno::kernels {

namespace {

bool is_disabled_by_environment() {
  const char* const value = std::getenv("RIPIENO_CPU_BFLOAT16");
  return value != nullptr && std::string_view(value) == "0";
}

std::atomic<bool>& enabled() {
  static std::atomic<bool> value = !is_disabled_by_environment();
  return value;
}

}  // namespace

bool has_bfloat16_instructions() noexcept {
#if defined(__AVX512F__)
  static const bool has = __builtin_cpu_supports("avx512bf16");
  return has;
#else
  return false;
#endif
}

bool uses_bfloat16_instructions() noexcept {
  return has_bfloat16_instructions() && enabled().load(std::memory_order_relaxed);
}

void use_bfloat16_instructions(bool enable) noexcept { enabled() = enable; }

namespace cpu::detail {

#if defined(__AVX512F__)

namespace {

constexpr int kRows = 14;               // rows of sums in registers, of two vectors each
constexpr int64_t kWords = 16;          // per vector
constexpr int64_t kPanel = 2 * kWords;  // words of packed b for a pair of rows
static_assert(kPanel == kBfloat16PanelCols && kPanel == kPanelCols<float>);

// A word of a packed factor has two elements that follow each other along k, the first one in the
// upper half: the instruction adds the product of the upper halves first.
using Words [[gnu::vector_size(64), gnu::may_alias]] = uint32_t;
using Lanes [[gnu::vector_size(64)]] = int32_t;
using Elements [[gnu::vector_size(64)]] = uint16_t;

__mmask16 first_lanes(int64_t count) {
  return static_cast<__mmask16>((uint32_t{1} << std::clamp<int64_t>(count, 0, 16)) - 1);
}

// c = a b, or c += a b if `accumulate`.   c: (rows, cols); a: `pairs` groups of kWords words, of
// which `rows` are used; panel: (pairs, kPanel)
template <int rows, int vectors>
[[gnu::target("avx512bf16")]] void multiply_panel(float* c, int64_t ldc, const uint32_t* a,
                                                  const uint32_t* panel, int64_t pairs,
                                                  int64_t cols, bool accumulate) {
  __m512 sums[rows][vectors];
#pragma GCC unroll 14
  for (int i = 0; i < rows; ++i) {
#pragma GCC unroll 2
    for (int v = 0; v < vectors; ++v) sums[i][v] = _mm512_setzero_ps();
  }
  for (int64_t p = 0; p < pairs; ++p) {
    __m512bh right[vectors];
#pragma GCC unroll 2
    for (int v = 0; v < vectors; ++v) {
      right[v] = (__m512bh)_mm512_load_si512(panel + p * kPanel + v * kWords);
    }
#pragma GCC unroll 14
    for (int i = 0; i < rows; ++i) {
      const __m512bh left = (__m512bh)_mm512_set1_epi32(static_cast<int>(a[p * kWords + i]));
#pragma GCC unroll 2
      for (int v = 0; v < vectors; ++v) sums[i][v] = _mm512_dpbf16_ps(sums[i][v], left, right[v]);
    }
  }
#pragma GCC unroll 2
  for (int v = 0; v < vectors; ++v) {
    const __mmask16 mask = first_lanes(cols - v * kWords);
#pragma GCC unroll 14
    for (int i = 0; i < rows; ++i) {
      float* to = c + i * ldc + v * kWords;
      __m512 sum = sums[i][v];
      if (accumulate) sum = _mm512_add_ps(_mm512_maskz_loadu_ps(mask, to), sum);
      _mm512_mask_storeu_ps(to, mask, sum);
    }
  }
}

using PanelKernel = void (*)(float*, int64_t, const uint32_t*, const uint32_t*, int64_t, int64_t,
                             bool);

// Inner kernels for 1 to kRows rows.
template <int vectors, int... rows>
constexpr std::array<PanelKernel, sizeof...(rows)> panel_kernels(
    std::integer_sequence<int, rows...>) {
  return {multiply_panel<rows + 1, vectors>...};
}
template <int vectors>
constexpr auto kPanelKernels = panel_kernels<vectors>(std::make_integer_sequence<int, kRows>());

void store(uint32_t* to, Words words) { *reinterpret_cast<Words*>(to) = words; }

// Transposes a square of words: each step exchanges blocks of half the size between pairs.
void transpose(Words (&square)[kWords]) {
#pragma GCC unroll 4
  for (int half = kWords / 2; half > 0; half /= 2) {
    Lanes first{}, second{};
    for (int lane = 0; lane < kWords; ++lane) {
      first[lane] = lane & half ? kWords + lane - half : lane;
      second[lane] = lane & half ? kWords + lane : lane + half;
    }
#pragma GCC unroll 16
    for (int i = 0; i < kWords; ++i) {
      if (i & half) continue;
      const Words upper = square[i], lower = square[i + half];
      square[i] = __builtin_shuffle(upper, lower, first);
      square[i + half] = __builtin_shuffle(upper, lower, second);
    }
  }
}

// A factor as it is packed: `count` vectors along k, of which each fills one lane.
struct Source {
  const bfloat16* data;
  int64_t stride;  // from one stored row to the next
  int64_t depth, count;
};

// Packs vectors that are stored as rows.   packed: rows of `stride` words, aligned to a vector.
void pack_rows(uint32_t* packed, int64_t stride, const Source& from) {
  for (int64_t p = 0; p < from.depth; p += 2 * kWords) {
    const int64_t left = from.depth - p, words = std::min((left + 1) / 2, kWords);
    const __mmask32 mask = left >= 32 ? ~__mmask32{0} : (__mmask32{1} << left) - 1;
    Words square[kWords];
#pragma GCC unroll 16
    for (int i = 0; i < kWords; ++i) {
      const bool exists = i < from.count;
      square[i] = (Words)_mm512_maskz_loadu_epi16(exists ? mask : 0,
                                                  from.data + (exists ? i * from.stride : 0) + p);
    }
    transpose(square);
    uint32_t* to = packed + p / 2 * stride;
#pragma GCC unroll 16
    for (int i = 0; i < kWords; ++i) {
      const Words swapped = square[i] << 16 | square[i] >> 16;
      if (i < words) store(to + i * stride, swapped);
    }
  }
}

// Packs vectors that are stored as columns, up to `vectors` times kWords.
template <int vectors>
void pack_columns(uint32_t* packed, int64_t stride, const Source& from) {
  const __mmask32 mask = from.count >= 32 ? ~__mmask32{0} : (__mmask32{1} << from.count) - 1;
  const auto row = [&](int64_t p) {
    const bool exists = p < from.depth;
    return (Elements)_mm512_maskz_loadu_epi16(exists ? mask : 0,
                                              from.data + (exists ? p * from.stride : 0));
  };
  for (int64_t p = 0; p < from.depth; p += 2, packed += stride) {
    const Elements first = row(p), second = row(p + 1);
#pragma GCC unroll 2
    for (int v = 0; v < vectors; ++v) {
      Elements order{};
      for (int i = 0; i < kWords; ++i) {
        order[2 * i] = 32 + v * kWords + i;  // lower half of a word: of the second row
        order[2 * i + 1] = v * kWords + i;
      }
      store(packed + v * kWords, (Words)__builtin_shuffle(first, second, order));
    }
  }
}

int64_t pairs_of(int64_t depth) { return (depth + 1) / 2; }

// Packs the rows of a in `tile`, in groups of `group` rows.
void pack_tile(uint32_t* packed, const bfloat16* a, const Gemm& gemm, const Tile& tile,
               const Block& block, int64_t group) {
  for (int64_t i = 0; i < tile.rows; i += group, packed += pairs_of(block.depth) * kWords) {
    const int64_t row = tile.row + i, count = std::min(group, tile.rows - i);
    if (gemm.transpose_a) {
      const bfloat16* first = a + block.depth_begin * gemm.lda + row;
      pack_columns<1>(packed, kWords, {first, gemm.lda, block.depth, count});
    } else {
      const bfloat16* first = a + row * gemm.lda + block.depth_begin;
      pack_rows(packed, kWords, {first, gemm.lda, block.depth, count});
    }
  }
}

// Calls body(block) for each block of k.
template <typename Body>
void for_each_block_of_depth(const Gemm& gemm, const Body& body) {
  Gemm one_column = gemm;
  one_column.n = 1;
  for_each_block_of(one_column, body);
}

}  // namespace

int64_t bfloat16_panel_words(const Gemm& gemm) {
  int64_t words = 0;
  for_each_block_of_depth(gemm,
                          [&](const Block& block) { words += pairs_of(block.depth) * kPanel; });
  return words;
}

void pack_bfloat16_panel(uint32_t* packed, const bfloat16* b, const Gemm& gemm, int64_t col) {
  const int64_t cols = std::min(kPanel, gemm.n - col);
  for_each_block_of_depth(gemm, [&](const Block& block) {
    if (gemm.transpose_b) {
      for (int64_t j = 0; j < cols; j += kWords) {
        const bfloat16* first = b + (col + j) * gemm.ldb + block.depth_begin;
        pack_rows(packed + j, kPanel, {first, gemm.ldb, block.depth, std::min(kWords, cols - j)});
      }
    } else {
      const bfloat16* first = b + block.depth_begin * gemm.ldb + col;
      pack_columns<2>(packed, kPanel, {first, gemm.ldb, block.depth, cols});
    }
    packed += pairs_of(block.depth) * kPanel;
  });
}

void multiply_bfloat16_tile(float* c, int64_t ldc, const bfloat16* a, const uint32_t* packed,
                            const Gemm& gemm, const Tile& tile) {
  // As few groups of rows as possible, of about the same size.
  const int64_t groups = (tile.rows + kRows - 1) / kRows;
  const int64_t group = (tile.rows + groups - 1) / groups;
  constexpr int64_t kGroups = (kBfloat16Rows + kRows - 1) / kRows;
  alignas(64) uint32_t rows_of_a[kGroups * kWords * (kBlockDepth + 1) / 2];
  const int64_t panel_words = bfloat16_panel_words(gemm);
  for_each_block_of_depth(gemm, [&](const Block& block) {
    const int64_t pairs = pairs_of(block.depth);
    pack_tile(rows_of_a, a, gemm, tile, block, group);
    for (int64_t j = 0; j < tile.cols; j += kPanel) {
      const int64_t cols = std::min(kPanel, tile.cols - j);
      const auto& kernels = cols > kWords ? kPanelKernels<2> : kPanelKernels<1>;
      for (int64_t i = 0; i < tile.rows; i += group) {
        const int64_t rows = std::min(group, tile.rows - i);
        kernels[rows - 1](c + i * ldc + j, ldc, rows_of_a + i / group * pairs * kWords,
                          packed + j / kPanel * panel_words, pairs, cols,
                          gemm.accumulate || block.depth_begin > 0);
      }
    }
    packed += pairs * kPanel;
  });
}

#else

// Never called.
int64_t bfloat16_panel_words(const Gemm&) { return 0; }
void pack_bfloat16_panel(uint32_t*, const bfloat16*, const Gemm&, int64_t) {}
void multiply_bfloat16_tile(float*, int64_t, const bfloat16*, const uint32_t*, const Gemm&,
                            const Tile&) {}

#endif

}  // namespace cpu::detail

}  // namespace ripieno::kernels
