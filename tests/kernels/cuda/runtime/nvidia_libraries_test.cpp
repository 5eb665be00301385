#include "ripieno/kernels/cuda/runtime/nvidia_libraries.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "io/files/temporary_directory.h"

namespace ripieno::testing {
namespace {

namespace fs = std::filesystem;
using kernels::cuda::candidates_of;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Not;

// Environments in a temporary folder, and no others.
class NvidiaLibraries : public ::testing::Test {
 protected:
  NvidiaLibraries() {
    for (const char* name : {"RIPIENO_NVIDIA_LIBRARIES", "VIRTUAL_ENV", "CONDA_PREFIX", "PATH",
                             "HOME", "PYTHONUSERBASE"}) {
      if (const char* value = std::getenv(name)) before_[name] = value;
      unsetenv(name);
    }
  }
  ~NvidiaLibraries() override {
    for (const auto& [name, value] : before_) setenv(name.c_str(), value.c_str(), 1);
  }

  // Creates an empty file, and returns its path.
  std::string file(const fs::path& below) const {
    const fs::path path = root / below;
    fs::create_directories(path.parent_path());
    std::ofstream{path};
    return path;
  }
  std::string folder(const std::string& below) const { return root / below; }
  static std::vector<std::string> candidates(const std::string& build_file = "") {
    return candidates_of({"cudnn", "libcudnn.so.9", build_file});
  }

  const io::TemporaryDirectory temporary_;
  const fs::path root = temporary_.path();

 private:
  std::map<std::string, std::string> before_;
};

TEST_F(NvidiaLibraries, AreOnlyLookedUpByNameIfThereAreNoFiles) {
  EXPECT_THAT(candidates("/none/libcudnn.so.9"), ElementsAre("libcudnn.so.9"));
}

TEST_F(NvidiaLibraries, AreFoundInTheGivenFoldersFirstThenWhereTheBuildFoundThem) {
  const auto build = file("toolkit/libcudnn.so.9"), plain = file("a/libcudnn.so.9");
  const auto package = file("b/cudnn/lib/libcudnn.so.9");
  const auto packages = file("c/nvidia/cudnn/lib/libcudnn.so.9");
  const auto list = folder("a") + ":" + folder("b") + "::" + folder("c") + ":/none";
  setenv("RIPIENO_NVIDIA_LIBRARIES", list.c_str(), 1);
  EXPECT_THAT(candidates(build), ElementsAre(plain, package, packages, build, "libcudnn.so.9"));
}

TEST_F(NvidiaLibraries, AreFoundInTheActivePythonEnvironment) {
  const auto library = file("env/lib/python3.11/site-packages/nvidia/cudnn/lib/libcudnn.so.9");
  for (const char* const variable : {"VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONUSERBASE"}) {
    setenv(variable, folder("env").c_str(), 1);
    EXPECT_THAT(candidates(), ElementsAre("libcudnn.so.9", library)) << variable;
    unsetenv(variable);
  }
}

TEST_F(NvidiaLibraries, AreFoundBesideThePythonInThePath) {
  const auto library = file("env/lib/python3.12/site-packages/nvidia/cudnn/lib/libcudnn.so.9");
  file("env/bin/python3");
  setenv("PATH", (folder("none") + ":" + folder("env/bin")).c_str(), 1);
  EXPECT_THAT(candidates(), ElementsAre("libcudnn.so.9", library));
}

TEST_F(NvidiaLibraries, AreFoundInThePackagesOfTheUser) {
  const auto library =
      file("home/.local/lib/python3.11/site-packages/nvidia/cudnn/lib/libcudnn.so.9");
  setenv("HOME", folder("home").c_str(), 1);
  EXPECT_THAT(candidates(), ElementsAre("libcudnn.so.9", library));
}

TEST_F(NvidiaLibraries, OfOtherPackagesAreNotCandidates) {
  const auto other = file("env/lib/python3.11/site-packages/nvidia/nccl/lib/libnccl.so.2");
  setenv("VIRTUAL_ENV", folder("env").c_str(), 1);
  EXPECT_THAT(candidates(), Not(Contains(other)));
  EXPECT_THAT(candidates_of({"nccl", "libnccl.so.2", ""}), Contains(other));
}

TEST_F(NvidiaLibraries, AreFoundBesideTheProgram) {
  const fs::path program = fs::read_symlink("/proc/self/exe").parent_path();
  const auto package = program / "nvidia/some_package/lib";
  fs::create_directories(package);
  std::ofstream{package / "libsome.so.1"};
  const auto found = candidates_of({"some_package", "libsome.so.1", ""});
  fs::remove_all(program / "nvidia");
  EXPECT_THAT(found, ElementsAre("libsome.so.1", package / "libsome.so.1"));
}

TEST(SystemLoader, SaysWhyALibraryCannotBeLoaded) {
  std::string why;
  EXPECT_EQ(kernels::cuda::system_loader().open("/dev/null", why), nullptr);
  EXPECT_THAT(why, ::testing::HasSubstr("/dev/null"));
}

}  // namespace
}  // namespace ripieno::testing
