// Tests the cases that cuDNN is missing or has another version.
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "kernels/cuda/cudnn/fake_cudnn.h"
#include "ripieno/kernels/cuda/cudnn/cudnn_library.h"

namespace ripieno::testing {
namespace {

using kernels::cuda::open_cudnn;

std::size_t version = 91900;
std::vector<std::string> opened;
std::string installed, missing;

void* open(const char* name) {
  opened.push_back(name);
  return installed == name ? &installed : nullptr;
}

void nothing() {}

void* symbol(void*, const char* name) {
  if (missing == name) return nullptr;
  if (std::strcmp(name, "cudnnGetVersion") == 0) {
    return reinterpret_cast<void*>(+[]() -> std::size_t { return version; });
  }
  return reinterpret_cast<void*>(nothing);
}

class CudnnLibrary : public ::testing::Test {
 protected:
  void SetUp() override {
    version = 91900;
    installed = "libcudnn.so.9";
    missing.clear();
    opened.clear();
  }
};

TEST_F(CudnnLibrary, IsSearchedInTheToolkitFirst) {
  const auto cudnn = open_cudnn({open, symbol});
  EXPECT_TRUE(cudnn.found);
  EXPECT_EQ(cudnn.description, "cuDNN 9.19.0");
  ASSERT_FALSE(opened.empty());
  EXPECT_EQ(opened.back(), "libcudnn.so.9");
}

TEST_F(CudnnLibrary, ThatIsMissingIsReported) {
  installed.clear();
  const auto cudnn = open_cudnn({open, symbol});
  EXPECT_FALSE(cudnn.found);
  EXPECT_EQ(cudnn.description, "cuDNN: no libcudnn.so.9, requires 9.16 or a later 9.x");
}

TEST_F(CudnnLibrary, OfAnotherVersionIsNotUsed) {
  version = 91501;
  EXPECT_EQ(open_cudnn({open, symbol}).description,
            "cuDNN 9.15.1 found, requires 9.16 or a later 9.x");
  version = 100000;
  EXPECT_FALSE(open_cudnn({open, symbol}).found);
}

TEST_F(CudnnLibrary, WithAMissingFunctionIsNotUsed) {
  missing = "cudnnBackendExecute";
  const auto cudnn = open_cudnn({open, symbol});
  EXPECT_FALSE(cudnn.found);
  EXPECT_EQ(cudnn.description, "cuDNN 9.19.0 lacks functions of its graph interface");
}

}  // namespace
}  // namespace ripieno::testing
