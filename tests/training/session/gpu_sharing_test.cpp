#include "ripieno/training/session/gpu_sharing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "ripieno/core/error.h"

namespace ripieno {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

// Sets an environment variable during its lifetime.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) { setenv(name, value, 1); }
  ~Variable() { unsetenv(name_); }

 private:
  const char* name_;
};

const std::string kFirst = gpu_identity("h1", Device::cuda(0)),
                  kSecond = gpu_identity("h1", Device::cuda(1)),
                  kElsewhere = gpu_identity("h2", Device::cuda(0)),
                  kCpu = gpu_identity("h1", Device::cpu());

TEST(GpuSharing, AllowsRanksWithAGpuEachAndRanksOnTheCpu) {
  EXPECT_NO_THROW(require_distinct_gpus({kFirst, kSecond, kElsewhere}));
  EXPECT_NO_THROW(require_distinct_gpus({kCpu, kCpu, kFirst}));
}

TEST(GpuSharing, ReportsTwoRanksOnOneGpuWithARemedy) {
  EXPECT_THAT(
      [] {
        require_distinct_gpus({kElsewhere, kFirst, kSecond, kFirst});
      },
      ThrowsMessage<ConfigurationError>(AllOf(HasSubstr("ranks 1 and 3 would share GPU 0 on h1"),
                                              HasSubstr("slots"),
                                              HasSubstr("RIPIENO_SHARE_GPU=1"))));
}

TEST(GpuSharing, IsAcceptedByNcclWithAHostIdPerRank) {
  const Variable share("RIPIENO_SHARE_GPU", "1");
  EXPECT_FALSE(nccl_accepts_shared_gpus());
  const Variable host("NCCL_HOSTID", "rank0");
  EXPECT_TRUE(nccl_accepts_shared_gpus());
}

TEST(GpuSharing, CanBeAllowed) {
  const Variable share("RIPIENO_SHARE_GPU", "1");
  EXPECT_NO_THROW(require_distinct_gpus({kFirst, kFirst}));
}

TEST(GpuSharing, ConsidersCudaVisibleDevices) {
  const Variable visible("CUDA_VISIBLE_DEVICES", "3");
  const auto third = gpu_identity("h1", Device::cuda(0));
  EXPECT_NO_THROW(require_distinct_gpus({kFirst, third}));
  EXPECT_THROW(require_distinct_gpus({third, third}), ConfigurationError);
}

}  // namespace
}  // namespace ripieno
