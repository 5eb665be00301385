#include <dnnl.h>

#include <new>
#include <stdexcept>
#include <string>

#include "ripieno/kernels/cpu/gemm/gemm.h"
#include "ripieno/kernels/cpu/gemm/on_one_thread.h"

namespace ripieno::kernels::cpu::detail {

namespace {

void require_success(dnnl_status_t status) {
  if (status == dnnl_success) return;
  if (status == dnnl_out_of_memory) throw std::bad_alloc();
  throw std::runtime_error("oneDNN: dnnl_sgemm failed with status " + std::to_string(status));
}

}  // namespace

// Smaller products are as fast here; with a short side, oneDNN's results depend on the split.
// Without AVX-512 they always do, because its blocks along k depend on m and n.
bool library_is_faster(const Gemm& gemm) {
#if defined(__AVX512F__)
  constexpr bool kIsIndependentOfTheSplit = true;
#else
  constexpr bool kIsIndependentOfTheSplit = false;
#endif
  constexpr int64_t kShort = 64, kLarge = int64_t{1} << 27;
  return kIsIndependentOfTheSplit && std::min(gemm.m, gemm.n) >= kShort &&
         gemm.m * gemm.n * gemm.k >= kLarge;
}

void multiply_by_library(float* c, const float* a, const float* b, const Gemm& gemm,
                         const Tile& tile) {
  [[maybe_unused]] const OnOneThread alone;
  const dnnl_status_t status =
      dnnl_sgemm(gemm.transpose_a ? 'T' : 'N', gemm.transpose_b ? 'T' : 'N', tile.rows, tile.cols,
                 gemm.k, 1.0f, a + tile.row * (gemm.transpose_a ? 1 : gemm.lda), gemm.lda,
                 b + tile.col * (gemm.transpose_b ? gemm.ldb : 1), gemm.ldb,
                 gemm.accumulate ? 1.0f : 0.0f, c + tile.row * gemm.ldc + tile.col, gemm.ldc);
  require_success(status);
}

}  // namespace ripieno::kernels::cpu::detail
