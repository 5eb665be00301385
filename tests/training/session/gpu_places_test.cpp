#include "ripieno/training/session/gpu_places.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "ripieno/core/error.h"

namespace ripieno {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

// What the environment says for the length of a test.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) { setenv(name, value, 1); }
  ~Variable() { unsetenv(name_); }

 private:
  const char* name_;
};

const std::string kFirst = gpu_place("h1", Device::cuda(0)),
                  kSecond = gpu_place("h1", Device::cuda(1)),
                  kElsewhere = gpu_place("h2", Device::cuda(0)),
                  kCpu = gpu_place("h1", Device::cpu());

TEST(GpuPlaces, RanksWithAGpuEachAndRanksOnTheCpuAreFine) {
  EXPECT_NO_THROW(require_own_gpus({kFirst, kSecond, kElsewhere}));
  EXPECT_NO_THROW(require_own_gpus({kCpu, kCpu, kFirst}));
}

TEST(GpuPlaces, TwoRanksOnOneAreNamedWithTheRemedy) {
  EXPECT_THAT(
      [] {
        require_own_gpus({kElsewhere, kFirst, kSecond, kFirst});
      },
      ThrowsMessage<ConfigurationError>(AllOf(HasSubstr("ranks 1 and 3 would share GPU 0 on h1"),
                                              HasSubstr("slots"),
                                              HasSubstr("RIPIENO_SHARE_GPU=1"))));
}

TEST(GpuPlaces, SharedOnesSpeakNcclWhereEachRankHasAHostIdOfItsOwn) {
  const Variable share("RIPIENO_SHARE_GPU", "1");
  EXPECT_FALSE(shared_gpus_can_speak_nccl());
  const Variable host("NCCL_HOSTID", "rank0");
  EXPECT_TRUE(shared_gpus_can_speak_nccl());
}

TEST(GpuPlaces, MayBeSharedOnPurpose) {
  const Variable share("RIPIENO_SHARE_GPU", "1");
  EXPECT_NO_THROW(require_own_gpus({kFirst, kFirst}));
}

TEST(GpuPlaces, OfRanksThatSeeOneGpuEachAreTheirOwn) {
  const Variable visible("CUDA_VISIBLE_DEVICES", "3");
  const auto third = gpu_place("h1", Device::cuda(0));
  EXPECT_NO_THROW(require_own_gpus({kFirst, third}));
  EXPECT_THROW(require_own_gpus({third, third}), ConfigurationError);
}

}  // namespace
}  // namespace ripieno
