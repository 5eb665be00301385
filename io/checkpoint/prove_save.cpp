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

// "configuration.data.path"; the innermost member that is not UTF-8.
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
      fmt::format("a checkpoint could not be saved: its training state is text in UTF-8, and {} is "
                  "not; name files and folders in UTF-8",
                  first_not_utf8(training_state)));
}

// This rank's share of a state of one number a rank.
State few_numbers(const SaveOptions& options) {
  const State whole = {
      state_of("probe", StateKind::parameter, Tensor::zeros({options.size}, DType::float32))};
  return share_of(whole, options.rank, options.size);
}

void remove_quietly(FileSystem& files, const std::string& path) {
  try {
    files.remove_all(path);
  } catch (const StorageError&) {
    // The failure that led here is the one to tell; the next probe removes what is left.
  }
}

}  // namespace

void prove_save(FileSystem& files, const std::string& checkpoints_directory,
                const json& training_state, const SaveOptions& options) {
  require_utf8(training_state);
  const std::string directory = checkpoints_directory + "/" + std::string(kProbeName);
  try {
    save_checkpoint(files, directory, 0, few_numbers(options), training_state, options);
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
