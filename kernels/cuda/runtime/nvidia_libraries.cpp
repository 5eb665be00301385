#include "ripieno/kernels/cuda/runtime/nvidia_libraries.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <sstream>
#include <string_view>
#include <system_error>

namespace ripieno::kernels::cuda {
namespace {

namespace fs = std::filesystem;

bool is_there(const fs::path& path) {
  std::error_code error;
  return fs::exists(path, error);
}

std::vector<fs::path> paths_in(const char* variable) {
  const char* const value = std::getenv(variable);
  std::vector<fs::path> paths;
  std::istringstream list(value ? value : "");
  for (std::string path; std::getline(list, path, ':');) {
    if (!path.empty()) paths.emplace_back(path);
  }
  return paths;
}

// The folders of Python packages below the prefix of an environment, those of the newest Python
// first.
std::vector<fs::path> python_packages_in(const fs::path& prefix) {
  std::vector<fs::path> found;
  for (const char* const lib : {"lib", "lib64"}) {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(prefix / lib, error)) {
      if (entry.path().filename().string().rfind("python3", 0) != 0) continue;
      for (const char* const packages : {"site-packages", "dist-packages"}) {
        if (is_there(entry.path() / packages)) found.push_back(entry.path() / packages);
      }
    }
  }
  std::sort(found.begin(), found.end(), std::greater<>());
  return found;
}

std::vector<fs::path> python_prefixes() {
  std::vector<fs::path> prefixes;
  for (const char* const variable : {"VIRTUAL_ENV", "CONDA_PREFIX"}) {
    for (const fs::path& prefix : paths_in(variable)) prefixes.push_back(prefix);
  }
  for (const fs::path& folder : paths_in("PATH")) {
    if (!is_there(folder / "python3")) continue;
    prefixes.push_back(folder.parent_path());
    // Where the system's Python also looks, and where pip installs for it.
    if (folder == "/usr/bin" || folder == "/bin") prefixes.emplace_back("/usr/local");
    break;
  }
  const auto of_user = paths_in("PYTHONUSERBASE"), home = paths_in("HOME");
  if (!of_user.empty()) prefixes.push_back(of_user.front());
  if (of_user.empty() && !home.empty()) prefixes.push_back(home.front() / ".local");
  return prefixes;
}

void add_files_in(const fs::path& folder, const NvidiaLibrary& library,
                  std::vector<std::string>& candidates) {
  const fs::path of_package = fs::path(library.package) / "lib";
  for (const fs::path& below : {fs::path(), of_package, "nvidia" / of_package}) {
    const std::string file = folder / below / library.file;
    const bool is_new = std::find(candidates.begin(), candidates.end(), file) == candidates.end();
    if (is_new && is_there(file)) candidates.push_back(file);
  }
}

}  // namespace

std::vector<std::string> candidates_of(const NvidiaLibrary& library) {
  std::vector<std::string> candidates;
  for (const fs::path& folder : paths_in("RIPIENO_NVIDIA_LIBRARIES")) {
    add_files_in(folder, library, candidates);
  }
  if (is_there(library.build_file)) candidates.push_back(library.build_file);
  candidates.push_back(library.file);
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error).parent_path();
  for (const fs::path& folder : {program, program.parent_path() / "lib"}) {
    add_files_in(folder, library, candidates);
  }
  for (const fs::path& prefix : python_prefixes()) {
    add_files_in(prefix / "lib", library, candidates);  // Conda's own packages
    for (const fs::path& packages : python_packages_in(prefix)) {
      add_files_in(packages, library, candidates);
    }
  }
  return candidates;
}

LibraryLoader system_loader() {
  return {[](const char* name, std::string& why) {
            void* const library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
            if (!library) why = dlerror();
            return library;
          },
          [](void* library, const char* name) { return dlsym(library, name); },
          [](void* library) { dlclose(library); }};
}

}  // namespace ripieno::kernels::cuda
