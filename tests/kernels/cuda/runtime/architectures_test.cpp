#include "ripieno/kernels/cuda/runtime/architectures.h"

#include <gtest/gtest.h>

namespace ripieno::kernels::cuda {
namespace {

TEST(Architectures, MachineCodeRunsOnTheSameMajorAndNewerMinorVersions) {
  EXPECT_TRUE(runs_on("80-real 90-real", 80));
  EXPECT_TRUE(runs_on("80-real 90-real", 86));
  EXPECT_FALSE(runs_on("86-real", 80));
  EXPECT_FALSE(runs_on("80-real 90-real", 100));
}

TEST(Architectures, PtxRunsOnAllNewerVersions) {
  EXPECT_TRUE(runs_on("80-virtual", 120));
  EXPECT_TRUE(runs_on("80", 90));
  EXPECT_FALSE(runs_on("80-virtual 90-real", 75));
}

TEST(Architectures, TheLowestIsFormattedAsAVersion) {
  EXPECT_EQ(lowest_capability("100-real 90-real 100-virtual"), "9.0");
}

}  // namespace
}  // namespace ripieno::kernels::cuda
