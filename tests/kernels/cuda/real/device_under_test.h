// The device under test: the GPU of this host. Without one the tests are skipped; or they fail if
// RIPIENO_REQUIRE_GPU is set, so that a host meant for GPU tests cannot pass without its GPU.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "ripieno/kernels/cuda/runtime/runtime.h"

namespace ripieno::testing {

class KernelTest : public ::testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    if (kernels::cuda::device_count() > 0) return;
    const std::string why = kernels::cuda::describe();
    if (std::getenv("RIPIENO_REQUIRE_GPU")) FAIL() << why << ", and RIPIENO_REQUIRE_GPU is set";
    GTEST_SKIP() << why;
  }
};

inline auto device_runs() { return ::testing::Values(0); }
inline std::string run_name(const ::testing::TestParamInfo<int>&) { return "Gpu"; }

inline void* allocate_on_device(std::size_t bytes) { return kernels::cuda::allocate(bytes); }
inline void free_on_device(void* memory) { kernels::cuda::deallocate(memory); }
inline void copy_on_device(void* to, const void* from, std::size_t bytes) {
  kernels::cuda::copy(to, from, bytes, nullptr);
  kernels::cuda::synchronize(static_cast<CUstream_st*>(nullptr));
}

}  // namespace ripieno::testing
