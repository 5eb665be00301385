// Products that are computed by oneDNN if the build has it and the processor has AVX-512.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "ripieno/kernels/cpu_threads.h"
#include "ripieno/kernels/matmul.h"

namespace ripieno::kernels {
namespace {

// Whether the loader chose the kernels of that level; those of the lowest level are in no folder.
bool is_level_v4() {
  Dl_info library{};
  dladdr(reinterpret_cast<void*>(&cpu_threads), &library);
  const std::string file = library.dli_fname;
  const bool is_lowest = file.find("glibc-hwcaps") == std::string::npos;
  return is_lowest ? std::string(RIPIENO_LOWEST_CPU_LEVEL) == "v4"
                   : file.find("x86-64-v4") != std::string::npos;
}

TEST(LargeMatmul, ThatTheLibraryRejectsIsAnError) {
  if (!is_level_v4()) GTEST_SKIP() << "the library is used at the CPU level x86-64-v4 only";
  constexpr int64_t kSize = 512;  // large enough for the library
  const std::vector<float> a(kSize * kSize, 1.0f);
  std::vector<float> c(kSize * kSize);
  const MatmulShape shape = {
      .m = kSize, .n = kSize, .k = kSize, .lda = 1, .ldb = kSize, .ldc = kSize};  // lda < k
  EXPECT_THROW(matmul(OnCpu{}, c.data(), a.data(), a.data(), shape, false), std::runtime_error);
}

}  // namespace
}  // namespace ripieno::kernels
