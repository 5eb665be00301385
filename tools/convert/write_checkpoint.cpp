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

// Where a checkpoint goes that is asked for as `path`.
struct Place {
  std::string checkpoints;
  int64_t step;
};

Place place_of(const std::string& path, int64_t step) {
  const std::string name = std::filesystem::path(path).filename();
  const char* digits = name.data() + std::min<std::size_t>(name.size(), 5);
  int64_t named = 0;
  std::from_chars(digits, name.data() + name.size(), named);
  if (name == io::step_name(named)) return {io::parent_of(path), named};
  return {path + "/checkpoints", step};
}

// A save tidies the directory that it saves to: that must not be one where a run is at work.
void require_free(const io::FileSystem& files, const Place& place, bool force) {
  for (const auto& found : io::step_directories(files, place.checkpoints)) {
    if (found.step != place.step)
      throw UsageError(
          fmt::format("{} holds other checkpoints; choose a new directory", place.checkpoints));
    if (!force) throw UsageError(found.path + " exists; --force replaces it");
    if (found.suffix == io::kReplaced || found.suffix == io::kDamaged)
      throw UsageError(found.path + " exists, and is another one; move it away");
  }
}

// The targets in runs that fit into memory: what rank after rank saves.
std::vector<std::vector<std::size_t>> split(const std::vector<Target>& targets) {
  std::vector<std::vector<std::size_t>> runs(1);
  int64_t bytes = 0;
  for (std::size_t i = 0; i < targets.size(); ++i) {
    if (!runs.back().empty() && bytes + targets[i].bytes() > kShardBytes) {
      runs.emplace_back();
      bytes = 0;
    }
    runs.back().push_back(i);
    bytes += targets[i].bytes();
  }
  return runs;
}

// After a failure, which is the one to tell; the next save removes what is left.
void remove_unfinished(io::FileSystem& files, const std::string& checkpoints) {
  try {
    for (const auto& found : io::step_directories(files, checkpoints)) {
      if (io::is_unfinished(files, found)) files.remove_all(found.path);
    }
  } catch (const StorageError&) {
  }
}

// What one rank saves; rank 0 names every tensor, and so keeps their order.
io::State state_of(const Conversion& conversion, const std::vector<std::size_t>& run, int rank,
                   const Written& written) {
  io::State state;
  if (rank == 0) {
    for (const Target& target : conversion.targets)
      state.push_back({target.name, target.kind, target.dtype, target.shape, 0, {}});
  }
  for (const std::size_t i : run) {
    const Target& target = conversion.targets[i];
    if (rank > 0) state.push_back({target.name, target.kind, target.dtype, target.shape, 0, {}});
    (rank > 0 ? state.back() : state[i]).part = converted(conversion, target);
    written(target.bytes());
  }
  return state;
}

}  // namespace

// Ranks meet through the storage alone, so they can also save one after the other: no more than
// one rank's tensors are in memory.
std::string write_checkpoint(io::FileSystem& files, const std::string& path,
                             const Conversion& conversion, bool force, const Written& written) {
  const Place place = place_of(path, conversion.step);
  require_free(files, place, force);
  io::make_durable_directories(files, place.checkpoints);
  const auto runs = split(conversion.targets);
  const int size = static_cast<int>(runs.size());
  const io::CommitMode commit = io::probe_commit_mode(files, place.checkpoints);
  std::random_device random;
  const std::string attempt = fmt::format("convert_{:08x}{:08x}", random(), random());
  const nlohmann::json training_state =
      conversion.training_state.is_object() ? conversion.training_state : nlohmann::json::object();
  try {
    for (int rank = size - 1; rank >= 0; --rank) {
      io::save_checkpoint(files, place.checkpoints, place.step,
                          state_of(conversion, runs[static_cast<std::size_t>(rank)], rank, written),
                          training_state,
                          {.rank = rank,
                           .size = size,
                           .attempt = attempt,
                           .commit = commit,
                           .keep = {.newest = 0}});
    }
  } catch (...) {
    remove_unfinished(files, place.checkpoints);
    throw;
  }
  files.remove_all(
      fmt::format("{}/{}{}", place.checkpoints, io::step_name(place.step), io::kReplaced));
  return io::candidates_in(files, place.checkpoints).at(0);
}

}  // namespace ripieno::tools
