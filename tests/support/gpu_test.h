// GpuTest: the fixture of tests that require a GPU. Without a GPU they are skipped, or fail if the
// environment variable RIPIENO_REQUIRE_GPU is set, as on machines that are meant to test the GPU.
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
