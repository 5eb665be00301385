#include "ripieno/io/checkpoint/prove_save.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <optional>

#include "ripieno/core/error.h"
#include "ripieno/io/checkpoint/state.h"
#include "ripieno/io/checkpoint/step_directory.h"

namespace ripieno::io {
namespace {

using nlohmann::json;

bool is_utf8(const json& value) {
  try {
    value.dump();
    return true;
  } catch (const json::exception&) {
    return false;
  }
}

// The innermost member that is not UTF-8: "configuration.data.path".
std::string first_not_utf8(const json& value) {
  for (const auto& [name, inner] : value.items()) {
    if (!value.is_structured() || is_utf8(inner)) continue;
    const std::string below = first_not_utf8(inner);
    return below.empty() ? name : name + "." + below;
  }
  return "";
}

void require_utf8(const json& training_state) {
  if (is_utf8(training_state)) return;
  throw ConfigurationError(
      fmt::format("cannot save checkpoints: {} in the training state is not valid UTF-8; use UTF-8 "
                  "names for files and directories",
                  first_not_utf8(training_state)));
}

// This rank's share of a state with one float per rank.
State probe_state(const SaveOptions& options) {
  const State whole = {
      state_of("probe", StateKind::parameter, Tensor::zeros({options.size}, DType::float32))};
  return share_of(whole, options.rank, options.size);
}

void remove_quietly(FileSystem& files, const std::string& path) {
  try {
    files.remove_all(path);
  } catch (const StorageError&) {
    // The caller rethrows the original failure; the next probe removes what is left.
  }
}

}  // namespace

void prove_save(FileSystem& files, const std::string& checkpoints_directory,
                const json& training_state, const SaveOptions& options) {
  require_utf8(training_state);
  const std::string directory = checkpoints_directory + "/" + std::string(kProbeName);
  try {
    save_checkpoint(files, directory, 0, probe_state(options), training_state, options);
    if (options.rank != 0) return;
    for (const std::string& path : candidates_in(files, directory))
      Checkpoint::open(files, path).verify();
  } catch (...) {
    if (options.rank == 0) remove_quietly(files, directory);
    throw;
  }
  files.remove_all(directory);
}

}  // namespace ripieno::io
