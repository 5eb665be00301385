#include "ripieno/training/provenance/safe_environment.h"

#include <gmock/gmock.h>

namespace ripieno {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

std::map<std::string, std::string> of(const char* variable) {
  const char* const environment[] = {variable, nullptr};
  return safe_environment(environment);
}

TEST(SafeEnvironment, RecordsWhatLibrariesRead) {
  EXPECT_THAT(of("NCCL_SOCKET_IFNAME=eth0"), ElementsAre(Pair("NCCL_SOCKET_IFNAME", "eth0")));
  EXPECT_THAT(of("OMP_NUM_THREADS=4=4"), ElementsAre(Pair("OMP_NUM_THREADS", "4=4")));
}

TEST(SafeEnvironment, LeavesOutEverythingElse) {
  for (const char* variable : {"AWS_SECRET_ACCESS_KEY=x", "HOME=/root", "MY_DATABASE=x",
                               "PATH=/bin", "WANDB_API_KEY=x", "no equals sign"})
    EXPECT_THAT(of(variable), IsEmpty()) << variable;
}

TEST(SafeEnvironment, RedactsNamesThatSuggestASecret) {
  for (const char* variable :
       {"RIPIENO_API_KEY=x", "NCCL_Token=x", "SLURM_JWT_SECRET=x", "CUDA_password=x",
        "UCX_CREDENTIAL=x", "OMPI_MCA_auth=x", "RIPIENO_PRIVATE=x"}) {
    const auto safe = of(variable);
    ASSERT_EQ(safe.size(), 1u) << variable;
    EXPECT_EQ(safe.begin()->second, kRedacted) << variable;
  }
}

TEST(SafeEnvironment, RedactsUrlsWithPasswords) {
  for (const char* variable : {"RIPIENO_PROXY=http://me:word@host/", "RIPIENO_A=x,ftp://t@host",
                               "RIPIENO_B=a://b c://u:p@h:1"})
    EXPECT_EQ(of(variable).begin()->second, kRedacted) << variable;
  EXPECT_EQ(of("RIPIENO_PROXY=http://host/a@b").begin()->second, "http://host/a@b");
}

TEST(SafeEnvironment, IsEmptyWithoutEnvironment) {
  EXPECT_THAT(safe_environment(nullptr), IsEmpty());
}

}  // namespace
}  // namespace ripieno
