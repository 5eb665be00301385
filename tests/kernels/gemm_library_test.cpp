// Products that are computed by oneDNN if the build has it.
#include <gtest/gtest.h>

#include <stdexcept>
#include <vector>

#include "ripieno/kernels/matmul.h"

namespace ripieno::kernels {
namespace {

TEST(LargeMatmul, ThatTheLibraryRejectsIsAnError) {
  constexpr int64_t kSize = 512;  // large enough for the library
  const std::vector<float> a(kSize * kSize, 1.0f);
  std::vector<float> c(kSize * kSize);
  const MatmulShape shape = {
      .m = kSize, .n = kSize, .k = kSize, .lda = 1, .ldb = kSize, .ldc = kSize};  // lda < k
  EXPECT_THROW(matmul(OnCpu{}, c.data(), a.data(), a.data(), shape, false), std::runtime_error);
}

}  // namespace
}  // namespace ripieno::kernels
