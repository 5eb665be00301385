#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <thread>
#include <utility>

#include "ripieno/core/error.h"
#include "ripieno/io/checkpoint.h"
#include "ripieno/io/manifest.h"
#include "ripieno/io/retention.h"
#include "ripieno/io/shard.h"
#include "ripieno/io/step_directory.h"

namespace ripieno::io {
namespace {

using Clock = std::chrono::steady_clock;

// For tidying: what cannot be removed now is removed by a later save.
void try_to(const std::function<void()>& action) {
  try {
    action();
  } catch (const StorageError&) {
  }
}

// One rank's part in one save.
class Save {
 public:
  Save(FileSystem& files, const std::string& directory, int64_t step, const SaveOptions& options)
      : files_(files),
        directory_(directory),
        step_(step),
        options_(options),
        whole_(directory + "/" + step_name(step)),
        partial_(whole_ + std::string(kPartial)) {}

  void as_rank_0(const State& mine, const nlohmann::json& training_state);
  void as_other_rank(const State& mine);

 private:
  std::string in_partial(const std::string& name) const { return partial_ + "/" + name; }
  std::string side_path(int rank) const { return in_partial(side_name(rank, options_.size)); }

  void refuse_used_attempt() const;
  void write_side(const Side& side);
  void make_room();
  void collect_others(std::vector<Shard>& shards) const;
  std::optional<Side> side_of(int rank, std::string& why_not) const;
  Manifest merge(const std::vector<Shard>& shards, const nlohmann::json& training_state) const;
  void commit(Manifest manifest);
  void remove_strangers(const std::function<bool(const std::string&)>& belongs);
  void set_aside();

  FileSystem& files_;
  const std::string& directory_;
  const int64_t step_;
  const SaveOptions& options_;
  const std::string whole_, partial_;
};

void Save::as_other_rank(const State& mine) {
  refuse_used_attempt();
  Side side{options_.attempt, {}, std::nullopt};
  try {
    files_.make_directories(partial_);
    side.shard = write_shard(files_, partial_, options_.rank, options_.size, mine);
    write_side(side);
  } catch (const std::exception& error) {
    side.error = error.what();
    // First the shard, so that a full disk has room for the side file.
    try_to([&] { files_.remove_all(in_partial(shard_name(options_.rank, options_.size))); });
    try_to([&] { write_side(side); });
    throw;
  }
}

// Seen by rank 0 only once it is synced, after which nothing can fail any more.
void Save::write_side(const Side& side) {
  const std::string path = side_path(options_.rank), aside = path + std::string(kPartial);
  write_file(files_, aside, to_text(side));
  files_.rename(aside, path);
}

void Save::as_rank_0(const State& mine, const nlohmann::json& training_state) {
  try {
    files_.make_directories(partial_);
    files_.sync_directory(parent_of(directory_));
    make_room();
    std::vector<Shard> shards;
    std::exception_ptr failure;
    const auto note_failure = [&](const auto& action) {
      try {
        action();
      } catch (const std::exception&) {
        if (failure == nullptr) failure = std::current_exception();
      }
    };
    note_failure([&] { shards.push_back(write_shard(files_, partial_, 0, options_.size, mine)); });
    if (shards.empty())
      try_to([&] { files_.remove_all(in_partial(shard_name(0, options_.size))); });
    // Also after a failure: tidying must not meet a rank that still writes.
    note_failure([&] { collect_others(shards); });
    if (failure != nullptr) std::rethrow_exception(failure);
    commit(merge(shards, training_state));
  } catch (const std::exception&) {
    try_to([&] { files_.remove_all(partial_); });
    throw;
  }
  try_to([&] { remove_surplus(files_, directory_, step_, options_.keep); });
}

void Save::refuse_used_attempt() const {
  std::string why_not;
  if (side_of(options_.rank, why_not))
    fail(fmt::format(
        "save_checkpoint: attempt \"{}\" was used for step {} before; choose another for "
        "each save",
        options_.attempt, step_));
}

// Removes what earlier saves left unfinished; of this step, what cannot be this save's.
void Save::make_room() {
  for (const StepDirectory& found : step_directories(files_, directory_)) {
    if (found.suffix == kPartial && found.step != step_) files_.remove_all(found.path);
  }
  std::set<std::string> names;
  for (int rank = 0; rank < options_.size; ++rank)
    names.insert({shard_name(rank, options_.size), side_name(rank, options_.size),
                  side_name(rank, options_.size) + std::string(kPartial)});
  remove_strangers([&](const std::string& name) { return names.contains(name); });
}

void Save::remove_strangers(const std::function<bool(const std::string&)>& belongs) {
  for (const std::string& name : files_.names_in(partial_)) {
    if (!belongs(name)) files_.remove_all(in_partial(name));
  }
}

// A rank's side file of this attempt, once it and its shard are seen whole from here.
std::optional<Side> Save::side_of(int rank, std::string& why_not) const {
  try {
    const std::string path = side_path(rank);
    if (!files_.exists(path)) return std::nullopt;
    Side side = side_from_text(read_file(files_, path));
    if (side.attempt != options_.attempt) return std::nullopt;
    const std::string shard = in_partial(shard_name(rank, options_.size));
    if (!side.error && files_.open(shard)->size() != side.shard.file.bytes) return std::nullopt;
    return side;
  } catch (const StorageError& error) {  // shared storage may show it late
    why_not = fmt::format(" ({})", error.what());
  } catch (const DataError&) {  // being written
  }
  return std::nullopt;
}

void Save::collect_others(std::vector<Shard>& shards) const {
  const auto deadline = Clock::now() + std::chrono::duration<double>(options_.timeout_seconds);
  std::string failure, why_not;
  auto pause = std::chrono::milliseconds(1);
  for (int rank = 1; rank < options_.size;) {
    if (auto side = side_of(rank, why_not)) {
      if (side->error && failure.empty()) failure = fmt::format("rank {}: {}", rank, *side->error);
      shards.push_back(std::move(side->shard));
      ++rank;
      continue;
    }
    if (Clock::now() > deadline)
      throw StorageError(fmt::format("{}: rank {} did not write its shard within {} s{}", partial_,
                                     rank, options_.timeout_seconds, why_not));
    if (options_.stop.stop_requested())
      throw StorageError(
          fmt::format("{}: given up while rank {} was writing its shard", partial_, rank));
    std::this_thread::sleep_for(pause);
    pause = std::min(2 * pause, std::chrono::milliseconds(200));
  }
  if (!failure.empty()) throw StorageError(failure);
}

// Tensors in rank 0's order, which knows them all unless it was given less.
Manifest Save::merge(const std::vector<Shard>& shards, const nlohmann::json& training_state) const {
  Manifest manifest{step_, options_.size, training_state, {}, {}};
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
        fail(fmt::format("save_checkpoint: {} is another on rank {}", described(tensor), rank));
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
    fail(fmt::format("save_checkpoint: the ranks' shares do not fit together: {}", error.what()));
  }
  return manifest;
}

void Save::commit(Manifest manifest) {
  manifest.files.push_back(write_view(files_, partial_, manifest.tensors));
  std::set<std::string> names;
  for (const SavedFile& file : manifest.files) names.insert(file.name);
  remove_strangers([&](const std::string& name) { return names.contains(name); });
  write_file(files_, in_partial(std::string(kManifestName)), to_text(manifest));
  files_.sync_directory(partial_);

  set_aside();
  files_.rename(partial_, whole_);
  files_.sync_directory(directory_);
}

// Makes way for a step that is saved again. An intact checkpoint stays one until the new one
// stands.
void Save::set_aside() {
  if (!files_.exists(whole_)) return;
  std::string aside = whole_ + std::string(kReplaced);
  try {
    Checkpoint::open(files_, whole_).verify();
  } catch (const Error&) {
    aside = whole_ + std::string(kDamaged);
  }
  files_.remove_all(aside);
  files_.rename(whole_, aside);
}

void check(int64_t step, const nlohmann::json& training_state, const SaveOptions& options) {
  if (step < 0) fail(fmt::format("save_checkpoint: there is no step {}", step));
  if (options.size < 1 || options.rank < 0 || options.rank >= options.size)
    fail(fmt::format("save_checkpoint: there is no rank {} of {}", options.rank, options.size));
  try {
    if (options.rank == 0) training_state.dump();
  } catch (const nlohmann::json::exception& error) {
    fail(fmt::format("save_checkpoint: the training state is not UTF-8: {}", error.what()));
  }
}

}  // namespace

void save_checkpoint(FileSystem& files, const std::string& checkpoints_directory, int64_t step,
                     const State& mine, const nlohmann::json& training_state,
                     const SaveOptions& options) {
  check(step, training_state, options);
  Save save(files, checkpoints_directory, step, options);
  if (options.rank == 0) {
    save.as_rank_0(mine, training_state);
  } else {
    save.as_other_rank(mine);
  }
}

}  // namespace ripieno::io
