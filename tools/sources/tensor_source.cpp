#include "ripieno/tools/sources/tensor_source.h"

#include <fmt/format.h>

#include "ripieno/core/error.h"
#include "ripieno/io/checkpoint/checkpoint.h"
#include "ripieno/io/checkpoint/step_directory.h"
#include "ripieno/training/session/exit_status.h"

namespace ripieno::tools {
namespace {

std::string without_slash(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return path;
}

// The newest checkpoint whose manifest is intact. Tensor data is verified when it is read.
std::unique_ptr<TensorSource> open_newest(const io::FileSystem& files,
                                          const std::string& directory) {
  std::string why;
  for (const std::string& candidate : io::candidates_in(files, directory)) {
    try {
      return open_checkpoint(files, candidate);
    } catch (const DataError& error) {
      why = fmt::format(": {}", error.what());
    } catch (const StorageError& error) {
      why = fmt::format(": {}", error.what());
    }
  }
  throw DataError(directory + ": no checkpoint can be opened" + why);
}

}  // namespace

std::optional<std::string> checkpoints_below(const io::FileSystem& files, const std::string& path) {
  for (const std::string& directory : {path, path + "/checkpoints"}) {
    try {
      if (!io::step_directories(files, directory).empty()) return directory;
    } catch (const StorageError&) {  // a file
    }
  }
  return std::nullopt;
}

std::unique_ptr<TensorSource> open_source(const io::FileSystem& files, const std::string& path_) {
  const std::string path = without_slash(path_);
  const auto has = [&](std::string_view name) {
    return files.exists(fmt::format("{}/{}", path, name));
  };
  if (!files.exists(path)) throw UsageError(path + ": no such file or directory");
  if (has(io::kManifestName)) return open_checkpoint(files, path);
  if (path.ends_with(".safetensors") || has(kIndexName) || has(kModelName))
    return open_safetensors(files, path);
  if (const auto directory = checkpoints_below(files, path)) return open_newest(files, *directory);
  throw UsageError(path +
                   ": neither a checkpoint, nor a run directory with checkpoints, nor safetensors "
                   "(a .safetensors file, or a directory with model.safetensors)");
}

}  // namespace ripieno::tools
