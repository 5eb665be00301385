#include "ripieno/kernels/cuda/runtime/architectures.h"

#include <gtest/gtest.h>

namespace ripieno::kernels::cuda {
namespace {

TEST(Architectures, MachineCodeRunsOnItsOwnMajorVersionFromItsMinorOn) {
  EXPECT_TRUE(runs_on("80-real 90-real", 80));
  EXPECT_TRUE(runs_on("80-real 90-real", 86));
  EXPECT_FALSE(runs_on("86-real", 80));
  EXPECT_FALSE(runs_on("80-real 90-real", 100));
}

TEST(Architectures, CodeThatTheDriverCompilesRunsOnAllThatAreNewer) {
  EXPECT_TRUE(runs_on("80-virtual", 120));
  EXPECT_TRUE(runs_on("80", 90));
  EXPECT_FALSE(runs_on("80-virtual 90-real", 75));
}

TEST(Architectures, TheLowestIsAVersion) {
  EXPECT_EQ(lowest_capability("100-real 90-real 100-virtual"), "9.0");
}

}  // namespace
}  // namespace ripieno::kernels::cuda
