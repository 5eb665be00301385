// The fixture of tests that take a GPU: skipped where there is none, failing there under
// RIPIENO_REQUIRE_GPU, so that a machine meant to test the GPU cannot pass by not finding it.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "ripieno/kernels/cuda/runtime/runtime.h"

namespace ripieno::testing {

class GpuTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (kernels::cuda::device_count() > 0) return;
    const std::string why = kernels::cuda::describe();
    if (std::getenv("RIPIENO_REQUIRE_GPU")) FAIL() << why << ", and RIPIENO_REQUIRE_GPU is set";
    GTEST_SKIP() << why;
  }
};

}  // namespace ripieno::testing
