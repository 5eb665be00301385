// Checkpoints: a directory step_<n> of HDF5 shards that is whole or absent, for any number of
// ranks.
//
// docs/checkpoint_format.md describes the files.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "ripieno/io/checkpoint/commit_mode.h"
#include "ripieno/io/checkpoint/load_options.h"
#include "ripieno/io/checkpoint/retention.h"
#include "ripieno/io/checkpoint/state.h"
#include "ripieno/io/files/file_system.h"

namespace ripieno::io {

struct CheckpointLayouts;

struct SaveOptions {
  int rank = 0;
  int size = 1;
  // Chosen by rank 0, the same on all ranks, and another for each save: it keeps what an earlier
  // attempt left behind apart.
  std::string attempt;
  double timeout_seconds =
      600;  // how long rank 0 waits for the others' shards once its own is written
  // Of a save in the background: how long storage may leave one operation unanswered before the
  // save is given up.
  double stall_timeout_seconds = 600;
  // Once it is asked for, rank 0 waits no longer for the others, and fails.
  std::stop_token stop = {};
  // The same on all ranks: probe_commit_mode().
  CommitMode commit = CommitMode::rename;
  // Of a rank's saves, one after the other: what the next one need not work out again.
  std::shared_ptr<CheckpointLayouts> layouts = {};
  Retention keep = {};  // of the checkpoints up to this step
};

// Saves `mine` as this rank's share of checkpoints_directory/step_<step>. Every rank calls it;
// ranks meet through the storage alone. Once rank 0 returns, the checkpoint is whole and would
// survive a power cut; the other ranks return once their share would. Only rank 0's training_state
// is kept; it must be UTF-8, and finite (JSON has no NaN).
//
// Throws StorageError, on the rank that met it and on rank 0, where storage fails or a rank's share
// does not come in time. What was saved before is then as it was, and the save may be tried again
// under another attempt.
void save_checkpoint(FileSystem& files, const std::string& checkpoints_directory, int64_t step,
                     const State& mine, const nlohmann::json& training_state,
                     const SaveOptions& options);

struct CheckpointTensor {
  std::string name;
  StateKind kind;
  DType dtype;
  Shape shape;
  // Elements that are NaN or infinite, as the save counted them; checkpoints of earlier programs do
  // not say: 0.
  int64_t not_finite = 0;
};

struct Manifest;

// A checkpoint that was saved. `files` must outlive it.
class Checkpoint {
 public:
  // Reads and verifies the manifest. Throws DataError where it is damaged, StorageError where there
  // is none to read.
  static Checkpoint open(const FileSystem& files, const std::string& path);

  const std::string& path() const { return path_; }
  int64_t step() const;
  // The number of ranks that saved it; any number may load it.
  int world_size() const;
  CommitMode commit_mode() const;
  const nlohmann::json& training_state() const;
  std::vector<CheckpointTensor> tensors() const;

  // Fills the parts of `wanted`, and reads only the pieces that hold some of them, each verified
  // before this returns. Any rank may want any part of a tensor, on any device, and in another
  // floating-point type than the saved one (rounded to nearest even). Of each kind that `wanted`
  // names at all it must name every tensor, though its part may be empty: else a smaller model
  // would load silently; LoadOptions say what else goes.
  //
  // Throws ConfigurationError that lists what does not match, before anything is filled; DataError
  // or StorageError that names the file that is damaged or cannot be read. `wanted` then holds
  // some of it and must be filled anew, from another checkpoint.
  LoadReport load(const State& wanted, const LoadOptions& options = {}) const;
  // Reads every byte of every file, by several threads, and returns how many: bytes(). Throws
  // DataError or StorageError that names the file that is damaged.
  int64_t verify(const ReadOptions& options = {}) const;
  // Of all files but the manifest.
  int64_t bytes() const;

 private:
  Checkpoint(const FileSystem& files, std::string path, std::shared_ptr<const Manifest> manifest);

  const FileSystem* files_;
  std::string path_;
  std::shared_ptr<const Manifest> manifest_;
};

// The paths of what may be checkpoints, newest first. Some may prove damaged.
std::vector<std::string> candidates_in(const FileSystem& files,
                                       const std::string& checkpoints_directory);

struct Found {
  std::optional<std::string> path;
  std::vector<std::string> rejected;  // newer ones: a line each that names the file and why
};

// The newest checkpoint of which every byte is as it was written.
Found newest_intact(const FileSystem& files, const std::string& checkpoints_directory);

}  // namespace ripieno::io
