#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <stdexcept>
#include <string>
#include <thread>

#include "ripieno/kernels/cpu_library.h"
#include "ripieno/kernels/cpu_threads.h"

namespace ripieno::kernels {
namespace {

// File of the CPU kernel library in this process.
std::string kernel_library() {
  Dl_info info{};
  dladdr(reinterpret_cast<void*>(&cpu_threads), &info);
  return info.dli_fname;
}

// RIPIENO_EXPECTED_LEVEL is set if the loader is restricted to a level.
TEST(CpuLevel, IsTheOneThatTheLoaderWasConfiguredToUse) {
  const char* expected = std::getenv("RIPIENO_EXPECTED_LEVEL");
  if (!expected) GTEST_SKIP() << "RIPIENO_EXPECTED_LEVEL is not set";
  const bool lowest = std::string(expected) == "lowest";
  const std::string folder = "glibc-hwcaps/";
  EXPECT_EQ(kernel_library().find(lowest ? folder : folder + expected) == std::string::npos, lowest)
      << kernel_library();
}

TEST(CpuLibrary, IsFromTheBuildOfTheProgram) {
  EXPECT_EQ(cpu_library_mismatch(), "");
  EXPECT_STREQ(cpu_library_identity(), expected_cpu_library_identity());
}

TEST(CpuThreads, MustBeAtLeastOne) {
  EXPECT_THROW(set_cpu_threads(0), std::invalid_argument);
  EXPECT_EQ(cpu_threads(), 1);
}

TEST(CpuThreads, AreThreadLocal) {
  set_cpu_threads(3);
  int of_another = 0;
  std::thread([&] { of_another = cpu_threads(); }).join();
  set_cpu_threads(1);
  EXPECT_EQ(of_another, 1);
}

}  // namespace
}  // namespace ripieno::kernels
