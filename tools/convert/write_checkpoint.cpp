#include <fmt/format.h>

#include <charconv>
#include <filesystem>
#include <random>

#include "ripieno/core/error.h"
#include "ripieno/io/checkpoint/checkpoint.h"
#include "ripieno/io/checkpoint/step_directory.h"
#include "ripieno/io/files/durable_directories.h"
#include "ripieno/tools/convert/conversion.h"
#include "ripieno/training/session/exit_status.h"

namespace ripieno::tools {
namespace {

constexpr int64_t kShardBytes = int64_t{1} << 29;

// Where the checkpoint is written.
struct Destination {
  std::string checkpoints;
  int64_t step;
};

Destination destination_of(const std::string& path, int64_t step) {
  const std::string name = std::filesystem::path(path).filename();
  const char* digits = name.data() + std::min<std::size_t>(name.size(), 5);
  int64_t named = 0;
  std::from_chars(digits, name.data() + name.size(), named);
  if (name == io::step_name(named)) return {io::parent_of(path), named};
  return {path + "/checkpoints", step};
}

// A save removes unfinished and old checkpoints from its directory, so that must not be the
// directory of an active run.
void require_free(const io::FileSystem& files, const Destination& destination, bool force) {
  for (const auto& found : io::step_directories(files, destination.checkpoints)) {
    if (found.step != destination.step)
      throw UsageError(fmt::format("{} contains other checkpoints; choose a new directory",
                                   destination.checkpoints));
    if (!force) throw UsageError(found.path + " exists; use --force to overwrite it");
    if (found.suffix == io::kReplaced || found.suffix == io::kDamaged)
      throw UsageError(found.path + " exists and is not replaced by --force; move it away");
  }
}

// Groups of targets that fit into memory. Each group is saved as the shard of one rank.
std::vector<std::vector<std::size_t>> split(const std::vector<Target>& targets) {
  std::vector<std::vector<std::size_t>> groups(1);
  int64_t bytes = 0;
  for (std::size_t i = 0; i < targets.size(); ++i) {
    if (!groups.back().empty() && bytes + targets[i].bytes() > kShardBytes) {
      groups.emplace_back();
      bytes = 0;
    }
    groups.back().push_back(i);
    bytes += targets[i].bytes();
  }
  return groups;
}

// Called after a failure, so it ignores its own errors; the next save removes what remains.
void remove_unfinished(io::FileSystem& files, const std::string& checkpoints) {
  try {
    for (const auto& found : io::step_directories(files, checkpoints)) {
      if (io::is_unfinished(files, found)) files.remove_all(found.path);
    }
  } catch (const StorageError&) {
  }
}

// The state that one rank saves. That of rank 0 names every tensor, which preserves their order.
io::State state_of(const Conversion& conversion, const std::vector<std::size_t>& group, int rank,
                   const Written& written) {
  io::State state;
  if (rank == 0) {
    for (const Target& target : conversion.targets)
      state.push_back({target.name, target.kind, target.dtype, target.shape, 0, {}});
  }
  for (const std::size_t i : group) {
    const Target& target = conversion.targets[i];
    if (rank > 0) state.push_back({target.name, target.kind, target.dtype, target.shape, 0, {}});
    (rank > 0 ? state.back() : state[i]).part = converted(conversion, target);
    written(target.bytes());
  }
  return state;
}

}  // namespace

// Saves the shard of each rank in turn, which works because ranks communicate through the storage
// alone. So only one rank's tensors are in memory at a time.
std::string write_checkpoint(io::FileSystem& files, const std::string& path,
                             const Conversion& conversion, bool force, const Written& written) {
  const Destination destination = destination_of(path, conversion.step);
  require_free(files, destination, force);
  io::make_durable_directories(files, destination.checkpoints);
  const auto groups = split(conversion.targets);
  const int size = static_cast<int>(groups.size());
  const io::CommitMode commit = io::probe_commit_mode(files, destination.checkpoints);
  std::random_device random;
  const std::string attempt = fmt::format("convert_{:08x}{:08x}", random(), random());
  const nlohmann::json training_state =
      conversion.training_state.is_object() ? conversion.training_state : nlohmann::json::object();
  try {
    for (int rank = size - 1; rank >= 0; --rank) {
      io::save_checkpoint(
          files, destination.checkpoints, destination.step,
          state_of(conversion, groups[static_cast<std::size_t>(rank)], rank, written),
          training_state,
          {.rank = rank,
           .size = size,
           .attempt = attempt,
           .commit = commit,
           .keep = {.newest = 0}});
    }
  } catch (...) {
    remove_unfinished(files, destination.checkpoints);
    throw;
  }
  files.remove_all(fmt::format("{}/{}{}", destination.checkpoints, io::step_name(destination.step),
                               io::kReplaced));
  return io::candidates_in(files, destination.checkpoints).at(0);
}

}  // namespace ripieno::tools
