// The files of a checkpoint other than the manifest: the HDF5 shard that each rank writes, the
// small side file with which the rank reports it to rank 0, and the view that combines all shards.
// Not installed.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "ripieno/io/checkpoint/manifest.h"
#include "ripieno/io/files/file_system.h"
#include "ripieno/io/formats/hdf5_plan.h"

namespace ripieno::io {

class Hdf5Layout;

struct Shard {
  SavedFile file;
  std::vector<SavedTensor> tensors;  // with the pieces in this file
};

// Whether a tensor in a checkpoint can have this name, which HDF5 interprets as a path.
bool is_tensor_name(const std::string& name);

std::string shard_name(int rank, int size);
std::string side_name(int rank, int size);

// A cached file layout, reused by the next save if its plan is the same: computing the layout for a
// few hundred tensors takes longer than writing as many megabytes.
struct LaidOut {
  std::vector<Hdf5DataSetPlan> plan;
  std::shared_ptr<const Hdf5Layout> layout;
  std::vector<int64_t> offsets;  // file offset of each data set in the plan, in bytes
};

struct CheckpointLayouts {
  LaidOut shard, view;
};

// The name of the event, for readers of a flight record, in which a rank writes its shard.
inline constexpr std::string_view kWriteOfShard = "write of a shard";

// Writes and syncs directory/shard_name(). Uses `laid_out` if it matches, otherwise replaces it.
// Throws StorageError, or Error if a tensor is invalid.
Shard write_shard(FileSystem& files, const std::string& directory, int rank, int size,
                  const State& mine, LaidOut& laid_out);

// Writes and syncs directory/checkpoint.h5, the view. Uses `laid_out` in the same way.
SavedFile write_view(FileSystem& files, const std::string& directory,
                     const std::vector<SavedTensor>& tensors, LaidOut& laid_out);

// Content of a side file, through which a rank reports to rank 0: its shard, or an error.
struct Side {
  std::string attempt;
  Shard shard;
  std::optional<std::string> error;
};
std::string to_text(const Side& side);
// Throws DataError if the text is incomplete (still being written) or damaged.
Side side_from_text(std::string_view text);

}  // namespace ripieno::io
