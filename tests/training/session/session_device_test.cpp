// Which device a session selects if there is a GPU that may not be usable, with an emulated GPU.
#include <gmock/gmock.h>

#include "ripieno/core/error.h"
#include "ripieno/kernels/emulator/emulated_gpu.h"
#include "ripieno/training/session/session.h"

namespace ripieno {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

class SessionDevice : public ::testing::Test {
 protected:
  void TearDown() override { simt::reset(); }

  Session session_{distributed::alone()};
};

TEST_F(SessionDevice, AutoIsTheUsableGpu) {
  session_.use_device("auto");
  EXPECT_TRUE(session_.device().is_cuda());
  EXPECT_EQ(session_.device_remark(), "");
}

TEST_F(SessionDevice, AutoIsTheCpuWithARemarkUnderAnOldDriver) {
  simt::gpu().driver_version = 12020;
  session_.use_device("auto");
  EXPECT_FALSE(session_.device().is_cuda());
  EXPECT_THAT(session_.device_remark(),
              AllOf(HasSubstr("CUDA up to 12.2, this build requires 13.0"),
                    HasSubstr("; the CPU is used")));
}

TEST_F(SessionDevice, AutoIsTheCpuWithoutARemarkWithoutADriver) {
  simt::gpu().driver_version = 0;
  session_.use_device("auto");
  EXPECT_FALSE(session_.device().is_cuda());
  EXPECT_EQ(session_.device_remark(), "");
}

TEST_F(SessionDevice, CudaOnATooOldGpuIsAConfigurationError) {
  simt::gpu().compute_capability = 70;
  EXPECT_THAT([&] { session_.use_device("cuda"); },
              ThrowsMessage<ConfigurationError>(
                  AllOf(HasSubstr("--device cuda: "), HasSubstr("requires at least 8.0"),
                        HasSubstr("use --device cpu or --device auto"))));
}

}  // namespace
}  // namespace ripieno
