// A program for which the dynamic loader picked the CPU kernels of another build.
#include <gmock/gmock.h>

#include "ripieno/core/error.h"
#include "ripieno/core/tensor.h"
#include "ripieno/kernels/cpu_library.h"

namespace ripieno {

// Replaces the function of the kernel library.
const char* kernels::cpu_library_identity() noexcept { return "0.0.0-stale"; }

namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

TEST(KernelsOfAnotherBuild, AreRejectedAtTheirFirstUse) {
  const std::string required = kernels::expected_cpu_library_identity();
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT([] { Tensor::zeros({3}, DType::float32); },
                ThrowsMessage<ConfigurationError>(AllOf(
                    HasSubstr("are from another build: found 0.0.0-stale, required " + required),
                    HasSubstr("rebuild and reinstall Ripieno"))));
  }
}

}  // namespace
}  // namespace ripieno
