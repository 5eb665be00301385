// Tests the cases that NCCL is missing or has another version.
#include "ripieno/distributed/communicators/nccl/nccl_library.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>

#include "io/files/temporary_directory.h"

namespace ripieno::distributed {
namespace {

std::map<std::string, int> installed;  // versions by file
int opened_version = 0, open_libraries = 0;

void* open(const char* name, std::string& why) {
  const auto found = installed.find(name);
  why = "not a library";
  if (found == installed.end()) return nullptr;
  ++open_libraries;
  opened_version = found->second;
  return &found->second;
}

void* symbol(void*, const char* name) {
  if (std::strcmp(name, "ncclGetVersion") != 0) return nullptr;
  return reinterpret_cast<void*>(+[](int* version) {
    *version = opened_version;
    return 0;
  });
}

void close(void*) { --open_libraries; }

NcclLibrary opened(const std::vector<std::string>& candidates) {
  open_libraries = 0;
  return open_nccl({open, symbol, close}, candidates);
}

constexpr const char* kRemedy = "; install it, or set RIPIENO_NVIDIA_LIBRARIES to its folder";

TEST(NcclLibrary, IsTheFirstCandidateThatIsSuitable) {
  installed = {{"/old/libnccl.so.2", 2804}, {"/new/libnccl.so.2", 22809}};
  const auto nccl = opened({"/old/libnccl.so.2", "libnccl.so.2", "/new/libnccl.so.2"});
  EXPECT_TRUE(nccl.found);
  EXPECT_EQ(nccl.description, "NCCL 2.28.9 from /new/libnccl.so.2");
  EXPECT_EQ(open_libraries, 1) << "an unsuitable library was not closed";
}

TEST(NcclLibrary, ThatIsMissingOrUnsuitableIsReported) {
  installed = {{"/next/libnccl.so.2", 30000}};
  EXPECT_EQ(opened({"libnccl.so.2"}).description,
            std::string("NCCL: no libnccl.so.2, requires 2.14 or a later 2.x") + kRemedy);
  EXPECT_EQ(opened({"/next/libnccl.so.2"}).description,
            std::string("NCCL 3.0.0 found in /next/libnccl.so.2, requires 2.14 or a later 2.x") +
                kRemedy);
  EXPECT_EQ(opened({"/broken/libnccl.so.2"}).description,
            std::string("NCCL cannot be loaded: not a library") + kRemedy);
}

// The real library, in the layout of NVIDIA's Python packages, which have no libnccl.so.
TEST(RealNccl, IsLoadedFromAPythonEnvironment) {
  const std::filesystem::path built_with = RIPIENO_NCCL_FILE;
  if (!std::filesystem::exists(built_with)) GTEST_SKIP() << "NCCL is not installed here";
  const io::TemporaryDirectory environment;
  const auto folder =
      std::filesystem::path(environment.path()) / "lib/python3.11/site-packages/nvidia/nccl/lib";
  std::filesystem::create_directories(folder);
  std::filesystem::create_symlink(built_with, folder / "libnccl.so.2");
  setenv("VIRTUAL_ENV", environment.path().c_str(), 1);
  auto candidates = kernels::cuda::candidates_of({"nccl", "libnccl.so.2", ""});
  unsetenv("VIRTUAL_ENV");
  std::erase(candidates, "libnccl.so.2");
  const auto nccl = open_nccl(kernels::cuda::system_loader(), candidates);
  EXPECT_TRUE(nccl.found) << nccl.description;
  EXPECT_NE(nccl.description.find(folder), std::string::npos) << nccl.description;
  EXPECT_NE(nccl.symbol(nccl.library, "ncclAllReduce"), nullptr);
}

}  // namespace
}  // namespace ripieno::distributed
