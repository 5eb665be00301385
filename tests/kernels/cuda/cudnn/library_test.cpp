// Tests the cases that cuDNN is missing or has another version.
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "io/files/temporary_directory.h"
#include "kernels/cuda/cudnn/fake_cudnn.h"
#include "ripieno/kernels/cuda/cudnn/cudnn_library.h"

namespace ripieno::testing {
namespace {

using kernels::cuda::open_cudnn;

// Versions of the libraries that can be opened, by name.
std::map<std::string, std::size_t> installed;
std::size_t opened_version = 0;
std::string missing;
int open_libraries = 0;

void* open(const char* name, std::string& why) {
  const auto found = installed.find(name);
  if (found == installed.end()) {
    why = std::string(name) + ": file too short";
    return nullptr;
  }
  ++open_libraries;
  opened_version = found->second;
  return &found->second;
}

void nothing() {}

void* symbol(void*, const char* name) {
  if (missing == name) return nullptr;
  if (std::strcmp(name, "cudnnGetVersion") == 0) {
    return reinterpret_cast<void*>(+[]() -> std::size_t { return opened_version; });
  }
  return reinterpret_cast<void*>(nothing);
}

void close(void*) { --open_libraries; }

kernels::cuda::CudnnLibrary opened(const std::vector<std::string>& candidates) {
  return open_cudnn({open, symbol, close}, candidates);
}

class CudnnLibrary : public ::testing::Test {
 protected:
  void SetUp() override {
    installed = {{"libcudnn.so.9", 91900}};
    missing.clear();
    open_libraries = 0;
  }
};

constexpr const char* kRemedy = "; install it, or set RIPIENO_NVIDIA_LIBRARIES to its folder";

TEST_F(CudnnLibrary, IsTheFirstCandidateThatIsSuitable) {
  installed = {{"/old/libcudnn.so.9", 91501}, {"/new/libcudnn.so.9", 92000}};
  const auto cudnn =
      opened({"/none/libcudnn.so.9", "/old/libcudnn.so.9", "libcudnn.so.9", "/new/libcudnn.so.9"});
  EXPECT_TRUE(cudnn.found);
  EXPECT_EQ(cudnn.description, "cuDNN 9.20.0");
  EXPECT_EQ(cudnn.place, "/new/libcudnn.so.9");
  EXPECT_EQ(open_libraries, 1) << "an unsuitable library was not closed";
}

TEST_F(CudnnLibrary, ThatIsMissingIsReported) {
  installed.clear();
  const auto cudnn = opened({"libcudnn.so.9"});
  EXPECT_FALSE(cudnn.found);
  EXPECT_EQ(cudnn.description,
            std::string("cuDNN: no libcudnn.so.9, requires 9.16 or a later 9.x") + kRemedy);
}

TEST_F(CudnnLibrary, ThatCannotBeLoadedIsReportedWithTheLoadersReason) {
  installed.clear();
  EXPECT_EQ(opened({"/broken/libcudnn.so.9", "libcudnn.so.9"}).description,
            std::string("cuDNN cannot be loaded: /broken/libcudnn.so.9: file too short") + kRemedy);
}

TEST_F(CudnnLibrary, OfAnotherVersionIsNotUsed) {
  installed["libcudnn.so.9"] = 91501;
  EXPECT_EQ(
      opened({"libcudnn.so.9"}).description,
      std::string("cuDNN 9.15.1 found in libcudnn.so.9, requires 9.16 or a later 9.x") + kRemedy);
  installed["libcudnn.so.9"] = 100000;
  EXPECT_FALSE(opened({"libcudnn.so.9"}).found);
}

TEST_F(CudnnLibrary, WithAMissingFunctionIsNotUsed) {
  missing = "cudnnBackendExecute";
  const auto cudnn = opened({"libcudnn.so.9"});
  EXPECT_FALSE(cudnn.found);
  EXPECT_EQ(cudnn.description,
            std::string("cuDNN 9.19.0 in libcudnn.so.9 lacks functions of its graph interface") +
                kRemedy);
}

// The real library, in the layout of NVIDIA's Python packages.
TEST(RealCudnn, IsLoadedFromAPythonEnvironment) {
  const std::filesystem::path built_with = RIPIENO_CUDNN_FILE;
  if (!std::filesystem::exists(built_with)) GTEST_SKIP() << "cuDNN is not installed here";
  const io::TemporaryDirectory environment;
  const auto package =
      std::filesystem::path(environment.path()) / "lib/python3.11/site-packages/nvidia/cudnn";
  std::filesystem::create_directories(package);
  std::filesystem::create_directory_symlink(built_with.parent_path(), package / "lib");
  setenv("VIRTUAL_ENV", environment.path().c_str(), 1);
  auto candidates = kernels::cuda::candidates_of({"cudnn", "libcudnn.so.9", ""});
  unsetenv("VIRTUAL_ENV");
  std::erase(candidates, "libcudnn.so.9");
  const auto cudnn = open_cudnn(kernels::cuda::system_loader(), candidates);
  EXPECT_TRUE(cudnn.found) << cudnn.description;
  EXPECT_EQ(cudnn.place, package / "lib/libcudnn.so.9");
}

}  // namespace
}  // namespace ripieno::testing
