#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <thread>
#include <utility>

#include "ripieno/core/error.h"
#include "ripieno/core/trace.h"
#include "ripieno/io/checkpoint/checkpoint.h"
#include "ripieno/io/checkpoint/manifest.h"
#include "ripieno/io/checkpoint/placement.h"
#include "ripieno/io/checkpoint/retention.h"
#include "ripieno/io/checkpoint/shard.h"
#include "ripieno/io/checkpoint/step_directory.h"
#include "ripieno/io/files/file_lock.h"

namespace ripieno::io {
namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* kOfSeveralRanks =
    "if several ranks save, each must pass share_of(state, rank, size) and set SaveOptions::rank "
    "and SaveOptions::size";

// For cleaning up: what cannot be removed now is removed by a later save.
void try_to(const std::function<void()>& action) {
  try {
    action();
  } catch (const StorageError&) {
  }
}

// One rank's side of a save.
class Save {
 public:
  Save(FileSystem& files, const std::string& directory, int64_t step, const SaveOptions& options)
      : files_(files),
        directory_(directory),
        step_(step),
        options_(options),
        layouts_(options.layouts != nullptr ? options.layouts
                                            : std::make_shared<CheckpointLayouts>()),
        placement_(files, directory, step, options.attempt, options.commit) {}

  void as_rank_0(const State& mine, const nlohmann::json& training_state);
  void as_other_rank(const State& mine);

  double shard_seconds() const { return shard_seconds_; }

 private:
  std::string shard_path(int rank) const {
    return placement_.path_of(shard_name(rank, options_.size));
  }
  void write_side(const Side& side) {
    placement_.write_sealed(side_name(options_.rank, options_.size), to_text(side));
  }

  void reject_used_attempt() const;
  Shard write_own_shard(const State& mine);
  void claim();
  void report(Side& side, const std::exception& error, bool may_be_committed);
  void prepare();
  void collect_others(std::vector<Shard>& shards) const;
  std::optional<Side> side_of(int rank, std::string& why_not) const;
  Manifest merge(const std::vector<Shard>& shards, const nlohmann::json& training_state) const;
  void commit(Manifest manifest);

  FileSystem& files_;
  const std::string& directory_;
  const int64_t step_;
  const SaveOptions& options_;
  const std::shared_ptr<CheckpointLayouts> layouts_;
  Placement placement_;
  std::unique_ptr<PathLock> lock_;  // rank 0: of the directory that is written
  double shard_seconds_ = 0;
};

void Save::as_other_rank(const State& mine) {
  reject_used_attempt();
  Side side{options_.attempt, {}, std::nullopt};
  bool may_be_committed = false;
  try {
    files_.make_directories(placement_.path());
    side.shard = write_own_shard(mine);
    may_be_committed = true;
    write_side(side);
  } catch (const std::exception& error) {
    report(side, error, may_be_committed);
    throw;
  }
}

Shard Save::write_own_shard(const State& mine) {
  const trace::Scope traced({.name = kWriteOfShard});
  const auto start = Clock::now();
  Shard shard =
      write_shard(files_, placement_.path(), options_.rank, options_.size, mine, layouts_->shard);
  shard_seconds_ = std::chrono::duration<double>(Clock::now() - start).count();
  return shard;
}

// Reports the error to rank 0. The shard is removed first, so that a full disk has space for the
// side file; but not if rank 0 may have seen the side file and committed the shard.
void Save::report(Side& side, const std::exception& error, bool may_be_committed) {
  side.error = error.what();
  if (!may_be_committed || placement_.mode() == CommitMode::rename)
    try_to([&] { files_.remove_all(shard_path(options_.rank)); });
  try_to([&] { write_side(side); });
}

void Save::as_rank_0(const State& mine, const nlohmann::json& training_state) {
  reject_used_attempt();
  claim();
  try {
    prepare();
    std::vector<Shard> shards;
    std::exception_ptr failure;
    const auto note_failure = [&](const auto& action) {
      try {
        action();
      } catch (const std::exception&) {
        if (failure == nullptr) failure = std::current_exception();
      }
    };
    note_failure([&] { shards.push_back(write_own_shard(mine)); });
    if (shards.empty()) try_to([&] { files_.remove_all(shard_path(0)); });
    // Also after a failure: the clean-up must not run while other ranks are writing.
    if (options_.size > 1) note_failure([&] { collect_others(shards); });
    if (failure != nullptr) std::rethrow_exception(failure);
    commit(merge(shards, training_state));
  } catch (const std::exception&) {
    try_to([&] { placement_.remove(); });
    throw;
  }
  // A failure here fails the save: with two checkpoints of the step it is not clear which is valid.
  placement_.remove_replaced();
  try_to([&] { remove_surplus(files_, directory_, step_, options_.keep); });
}

// If storage returns an error, the attempt is assumed to be unused (names of attempts are random):
// the save will then encounter the error itself and report it to the other ranks.
void Save::reject_used_attempt() const {
  bool is_used = false;
  try_to([&] {
    std::string why_not;
    is_used = placement_.is_committed() || (options_.rank > 0 && side_of(options_.rank, why_not));
  });
  if (!is_used) return;
  fail(
      fmt::format("save_checkpoint: attempt \"{}\" was already used for step {}; use a different "
                  "one for each save; {}",
                  options_.attempt, step_, kOfSeveralRanks));
}

// Several processes that all save as rank 0 would remove each other's files. Not detected without
// locks, or if one ends before the next begins, which then replaces its checkpoint.
void Save::claim() {
  files_.make_directories(placement_.path());
  lock_ = std::make_unique<PathLock>(placement_.path());
  if (lock_->state() != FileLock::busy) return;
  fail(fmt::format("save_checkpoint: {} is being written by another save as rank 0 of {}; {}",
                   placement_.path(), options_.size, kOfSeveralRanks));
}

// Prepares the directory; removes files that cannot belong to this save.
void Save::prepare() {
  std::set<std::string> names;
  for (int rank = 0; rank < options_.size; ++rank)
    names.insert({shard_name(rank, options_.size), side_name(rank, options_.size),
                  side_name(rank, options_.size) + std::string(kPartial)});
  placement_.prepare([&](const std::string& name) { return names.contains(name); });
}

// The side file of a rank in this attempt, once it and the rank's shard are completely visible
// here. `why_not` receives the last storage error.
std::optional<Side> Save::side_of(int rank, std::string& why_not) const {
  try {
    const std::string path = placement_.path_of(side_name(rank, options_.size));
    if (!files_.exists(path)) return std::nullopt;
    Side side = side_from_text(read_file(files_, path));
    if (side.attempt != options_.attempt) return std::nullopt;
    if (!side.error && files_.open(shard_path(rank))->size() != side.shard.file.bytes)
      return std::nullopt;
    return side;
  } catch (const StorageError& error) {  // may not be visible yet on shared storage
    why_not = fmt::format(" ({})", error.what());
  } catch (const DataError&) {  // still being written
  }
  return std::nullopt;
}

void Save::collect_others(std::vector<Shard>& shards) const {
  const trace::Scope traced({.name = trace::kWaitForShards});
  const auto deadline = Clock::now() + std::chrono::duration<double>(options_.timeout_seconds);
  std::string failure, why_not;
  auto pause = std::chrono::microseconds(1000);  // grows by an eighth each time, up to 0.2 s
  for (int rank = 1; rank < options_.size;) {
    if (auto side = side_of(rank, why_not)) {
      if (side->error && failure.empty()) failure = fmt::format("rank {}: {}", rank, *side->error);
      shards.push_back(std::move(side->shard));
      ++rank;
      continue;
    }
    if (Clock::now() > deadline)
      throw StorageError(fmt::format("{}: timed out after {} s waiting for the shard of rank {}{}",
                                     placement_.path(), options_.timeout_seconds, rank, why_not));
    if (options_.stop.stop_requested())
      throw StorageError(fmt::format("{}: stopped while waiting for the shard of rank {}",
                                     placement_.path(), rank));
    std::this_thread::sleep_for(pause);
    pause = std::min(pause * 9 / 8, std::chrono::microseconds(200'000));
  }
  if (!failure.empty()) throw StorageError(failure);
}

// Tensors in the order of rank 0's state; any that it does not have follow.
Manifest Save::merge(const std::vector<Shard>& shards, const nlohmann::json& training_state) const {
  Manifest manifest{step_, options_.size, training_state, {}, {}, options_.commit};
  std::map<std::pair<StateKind, std::string>, std::size_t> index;
  for (std::size_t rank = 0; rank < shards.size(); ++rank) {
    manifest.files.push_back(shards[rank].file);
    for (const SavedTensor& tensor : shards[rank].tensors) {
      const auto [at, is_new] =
          index.try_emplace({tensor.kind, tensor.name}, manifest.tensors.size());
      if (is_new) {
        manifest.tensors.push_back(tensor);
        continue;
      }
      SavedTensor& known = manifest.tensors[at->second];
      if (known.shape != tensor.shape || known.dtype != tensor.dtype)
        fail(
            fmt::format("save_checkpoint: {} is {} {} on rank {}, but {} {} on an earlier rank; "
                        "they must match",
                        described(tensor), ripieno::name_of(tensor.dtype), to_string(tensor.shape),
                        rank, ripieno::name_of(known.dtype), to_string(known.shape)));
      known.pieces.insert(known.pieces.end(), tensor.pieces.begin(), tensor.pieces.end());
    }
  }
  for (SavedTensor& tensor : manifest.tensors) {
    std::sort(tensor.pieces.begin(), tensor.pieces.end(),
              [](const Piece& a, const Piece& b) { return a.begin < b.begin; });
  }
  try {
    check_manifest(manifest);
  } catch (const DataError& error) {
    fail(fmt::format("save_checkpoint: the shares of the ranks do not cover the state: {}; {}",
                     error.what(), kOfSeveralRanks));
  }
  return manifest;
}

void Save::commit(Manifest manifest) {
  manifest.files.push_back(write_view(files_, placement_.path(), manifest.tensors, layouts_->view));
  std::set<std::string> names;
  for (const SavedFile& file : manifest.files) names.insert(file.name);
  placement_.remove_others([&](const std::string& name) { return names.contains(name); });
  placement_.commit(to_text(manifest));
}

void check(int64_t step, const nlohmann::json& training_state, const SaveOptions& options) {
  if (step < 0) fail(fmt::format("save_checkpoint: step must be at least 0, got {}", step));
  if (options.size < 1 || options.rank < 0 || options.rank >= options.size)
    fail(fmt::format("save_checkpoint: rank {} is outside 0 .. size - 1 for size {}", options.rank,
                     options.size));
  try {
    if (options.rank == 0) training_state.dump();
  } catch (const nlohmann::json::exception& error) {
    fail(fmt::format("save_checkpoint: the training state is not UTF-8: {}", error.what()));
  }
}

int64_t bytes_in(const State& mine) {
  int64_t bytes = 0;
  for (const StateTensor& tensor : mine)
    bytes += tensor.count() > 0 ? static_cast<int64_t>(tensor.part.bytes()) : 0;
  return bytes;
}

}  // namespace

double save_checkpoint(FileSystem& files, const std::string& checkpoints_directory, int64_t step,
                       const State& mine, const nlohmann::json& training_state,
                       const SaveOptions& options) {
  check(step, training_state, options);
  // If storage does not respond and the thread is detached, this event ends late or never.
  const trace::Scope traced({.name = trace::kSave, .bytes = bytes_in(mine)});
  Save save(files, checkpoints_directory, step, options);
  if (options.rank == 0) {
    save.as_rank_0(mine, training_state);
  } else {
    save.as_other_rank(mine);
  }
  return save.shard_seconds();
}

}  // namespace ripieno::io
