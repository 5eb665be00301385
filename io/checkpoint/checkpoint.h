// Saving and loading checkpoints: directories step_<n> of HDF5 shards, committed atomically, saved
// by any number of ranks and loadable by any other number.
//
// docs/checkpoint_format.md describes the files.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "ripieno/io/checkpoint/commit_mode.h"
#include "ripieno/io/checkpoint/load_options.h"
#include "ripieno/io/checkpoint/retention.h"
#include "ripieno/io/checkpoint/state.h"
#include "ripieno/io/files/file_system.h"
#include "ripieno/io/files/json.h"

namespace ripieno::io {

struct CheckpointLayouts;

struct SaveOptions {
  // Of the ranks that save. With more than one, each saves its share_of() the state.
  int rank = 0;
  int size = 1;
  // Identifies this save: the same string on all ranks, different for each save (rank 0 chooses
  // it), so that files of an earlier, failed save are not mixed in. With CommitMode::manifest:
  // letters, digits, '-' and '_'.
  std::string attempt;
  // Seconds that rank 0 waits for the other ranks' shards after writing its own.
  double timeout_seconds = 600;
  // BackgroundSaver: seconds that a single storage operation may take before the save fails.
  double stall_timeout_seconds = 600;
  // A stop request makes rank 0 fail instead of waiting for the other ranks' shards.
  std::stop_token stop = {};
  // Must be the same on all ranks; see probe_commit_mode().
  CommitMode commit = CommitMode::rename;
  // Cache that consecutive saves of a rank may share, so that equal file layouts are computed once.
  std::shared_ptr<CheckpointLayouts> layouts = {};
  // Which earlier checkpoints, up to this step, are kept after the commit.
  Retention keep = {};
};

// Saves `mine` as this rank's share of the checkpoint checkpoints_directory/step_<step>. Every rank
// calls it, from any thread; ranks coordinate through files only, not through a communicator. It
// blocks until the files are written. When it returns on rank 0, the checkpoint is committed and
// survives a power cut; on other ranks only their own shard does. Only rank 0's training_state is
// saved; its strings must be UTF-8, and its numbers finite (JSON has no NaN).
//
// Returns the seconds that this rank's shard took to write. Throws StorageError if storage fails
// or, on rank 0, if another rank failed or its shard was not written within timeout_seconds; Error
// if the arguments are invalid, the ranks' shares do not cover every tensor exactly once, or
// another process is saving the step as rank 0 (where the file system supports locks). Earlier
// checkpoints can then still be loaded, and the save may be repeated with another `attempt`.
double save_checkpoint(FileSystem& files, const std::string& checkpoints_directory, int64_t step,
                       const State& mine, const nlohmann::json& training_state,
                       const SaveOptions& options);

struct CheckpointTensor {
  std::string name;
  StateKind kind;
  DType dtype;
  Shape shape;
  // Number of NaN or infinite elements, counted by the save; 0 for checkpoints of earlier versions,
  // which did not count them.
  int64_t not_finite = 0;
};

struct Manifest;

// A saved checkpoint, opened for reading. A cheap handle; const functions are thread-safe.
class Checkpoint {
 public:
  // Reads and verifies the manifest of the checkpoint directory `path`. `files` must outlive the
  // result. Throws StorageError if the manifest cannot be read, DataError if it is damaged or of a
  // newer format version.
  static Checkpoint open(const FileSystem& files, const std::string& path);

  const std::string& path() const { return path_; }
  int64_t step() const;
  // Number of ranks that saved it; any number may load it.
  int world_size() const;
  CommitMode commit_mode() const;
  // What the saving program passed to save_checkpoint() on rank 0.
  const nlohmann::json& training_state() const;
  // All tensors, in the order in which rank 0 saved them.
  std::vector<CheckpointTensor> tensors() const;

  // Loads the elements in wanted[i].part, in place. Reads only the pieces that contain some of
  // them, with several threads, and verifies their checksums before it returns. Each rank calls it
  // for itself; any rank may load any range of any tensor, to any device, and into another
  // floating-point type than the saved one (rounded to nearest, ties to even). For each kind of
  // state (parameter, buffer, optimizer) that occurs in `wanted`, all saved tensors of that kind
  // must be in `wanted`, possibly with an empty part; otherwise a smaller model would load
  // unnoticed. LoadOptions relaxes this, renames tensors and sets the number of threads.
  //
  // Throws ConfigurationError, listing all differences, if names, shapes or types do not match;
  // `wanted` is then unchanged. Throws DataError or StorageError, naming the file, if it is damaged
  // or cannot be read; `wanted` is then partly overwritten.
  LoadReport load(const State& wanted, const LoadOptions& options = {}) const;
  // Reads and verifies every byte of every file, with several threads. Returns the number of bytes,
  // which equals bytes(). Throws DataError or StorageError, naming the file, if it is damaged or
  // cannot be read.
  int64_t verify(const ReadOptions& options = {}) const;
  // Size of all files in bytes, without the manifest.
  int64_t bytes() const;

 private:
  Checkpoint(const FileSystem& files, std::string path, std::shared_ptr<const Manifest> manifest);

  const FileSystem* files_;
  std::string path_;
  std::shared_ptr<const Manifest> manifest_;
};

// Paths of the checkpoints in a directory, newest first, without reading them: some may turn out to
// be damaged. Empty if the directory does not exist. Throws StorageError.
std::vector<std::string> candidates_in(const FileSystem& files,
                                       const std::string& checkpoints_directory);

struct Found {
  std::optional<std::string> path;
  std::vector<std::string> rejected;  // one message for each newer checkpoint that is not intact
};

// The newest checkpoint that passes verify(); `path` is nullopt if there is none. Throws
// StorageError if the directory cannot be listed.
Found newest_intact(const FileSystem& files, const std::string& checkpoints_directory);

}  // namespace ripieno::io
