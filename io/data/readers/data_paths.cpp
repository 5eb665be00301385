#include "ripieno/io/data/readers/data_paths.h"

#include <fmt/format.h>
#include <glob.h>

#include <algorithm>
#include <filesystem>

#include "ripieno/core/error.h"
#include "ripieno/io/files/file_system.h"

namespace ripieno::io {
namespace {

std::vector<std::string> matches(const std::string& pattern) {
  ::glob_t found{};
  std::vector<std::string> paths;
  if (::glob(pattern.c_str(), GLOB_NOSORT, nullptr, &found) == 0)
    paths.assign(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  ::globfree(&found);
  std::sort(paths.begin(), paths.end());  // by bytes, so that the order is the same on every host
  return paths;
}

std::vector<std::string> files_in(const std::string& folder) {
  std::vector<std::string> paths;
  for (const std::string& name : local_files().names_in(folder)) {
    const std::string path = (std::filesystem::path(folder) / name).string();
    if (!name.starts_with('.') && !std::filesystem::is_directory(path)) paths.push_back(path);
  }
  return paths;
}

// Without STEM.idx where STEM.bin is among the sorted paths.
std::vector<std::string> without_indices(std::vector<std::string> paths) {
  const auto is_index = [&](const std::string& path) {
    return path.ends_with(".idx") &&
           std::binary_search(paths.begin(), paths.end(), path.substr(0, path.size() - 4) + ".bin");
  };
  std::vector<std::string> kept;
  std::copy_if(paths.begin(), paths.end(), std::back_inserter(kept),
               [&](const std::string& path) { return !is_index(path); });
  return kept;
}

}  // namespace

std::vector<std::string> files_of(const std::string& path) {
  const FileSystem& files = local_files();
  if (files.exists(path) && !std::filesystem::is_directory(path)) return {path};
  if (!files.exists(path) && files.exists(path + ".idx") && files.exists(path + ".bin"))
    return {path + ".bin"};
  if (files.exists(path)) {
    auto found = without_indices(files_in(path));
    if (!found.empty()) return found;
    throw ConfigurationError(fmt::format("data: folder {} has no files", path));
  }
  if (path.find_first_of("*?[") != path.npos) {
    auto found = without_indices(matches(path));
    if (!found.empty()) return found;
    throw ConfigurationError(fmt::format("data: no file matches {}", path));
  }
  throw ConfigurationError(
      fmt::format("data: file {} does not exist; give the path of a text or token file", path));
}

}  // namespace ripieno::io
