#include "ripieno/kernels/cuda/runtime/runtime.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>

#include "device_under_test.h"
#include "ripieno/kernels/elementwise.h"

namespace ripieno::testing {
namespace {

namespace cuda = kernels::cuda;

// That the test starts at all on a host without a driver is part of what it tests.
TEST(CudaRuntime, WithoutAGpuReportsWhyAndRejectsWork) {
  if (cuda::device_count() > 0) GTEST_SKIP() << "this host has a GPU";
  EXPECT_NE(cuda::describe(), "");
  EXPECT_THROW(cuda::allocate(16), cuda::CudaError);
  EXPECT_THROW(cuda::synchronize(static_cast<CUstream_st*>(nullptr)), cuda::CudaError);
  cuda::deallocate(nullptr);
}

TEST(CudaRuntime, ALaunchThatFailsNamesTheKernelItsShapeAndTheReason) {
  if (cuda::device_count() > 0) GTEST_SKIP() << "this host has a GPU";
  float value = 0;
  try {
    kernels::fill(kernels::OnCuda{}, &value, 1001, 1.0f);
    FAIL() << "a launch without a GPU succeeded";
  } catch (const cuda::CudaError& error) {
    EXPECT_THAT(error.what(),
                ::testing::HasSubstr(", 1, 1), block (256, 1, 1), on the null stream: "));
  }
}

class CudaMemory : public KernelTest {};
INSTANTIATE_TEST_SUITE_P(Cuda, CudaMemory, device_runs(), run_name);

TEST_P(CudaMemory, IsCopiedAndZeroed) {
  const int32_t sent[] = {1, 2, 3};
  int32_t received[3] = {};
  void* const memory = cuda::allocate(sizeof(sent));
  cuda::copy(memory, sent, sizeof(sent), nullptr);
  cuda::zero(static_cast<int32_t*>(memory) + 1, sizeof(int32_t), nullptr);
  cuda::copy(received, memory, sizeof(sent), nullptr);
  cuda::synchronize(static_cast<CUstream_st*>(nullptr));
  cuda::deallocate(memory);
  EXPECT_THAT(received, ::testing::ElementsAre(1, 0, 3));
}

TEST_P(CudaMemory, OfTooMuchReportsTheSize) {
  try {
    cuda::allocate(std::size_t{1} << 60);
    FAIL() << "an allocation of 2^60 bytes succeeded";
  } catch (const cuda::CudaError& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("1152921504606846976 bytes"));
  }
}

}  // namespace
}  // namespace ripieno::testing
