// Shards: the HDF5 file that each rank writes of a checkpoint, the small side file that commits it,
// and the view that shows them as one. Not installed.
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
  std::vector<SavedTensor> tensors;  // with the pieces that lie in this file
};

// Whether a checkpoint's tensor can have this name, which HDF5 reads as a path.
bool is_tensor_name(const std::string& name);

std::string shard_name(int rank, int size);
std::string side_name(int rank, int size);

// A file as it was laid out, so that the next save need not lay out the same once more: of a few
// hundred tensors that takes longer than writing as many megabytes.
struct LaidOut {
  std::vector<Hdf5DataSetPlan> plan;
  std::shared_ptr<const Hdf5Layout> layout;
  std::vector<int64_t> offsets;  // of the numbers in the file, as in the plan
};

struct CheckpointLayouts {
  LaidOut shard, view;
};

// Writes and syncs directory/shard_name(). Takes `laid_out` where it is of such a shard, else
// replaces it.
Shard write_shard(FileSystem& files, const std::string& directory, int rank, int size,
                  const State& mine, LaidOut& laid_out);

// Writes and syncs directory/checkpoint.h5; the same of `laid_out`.
SavedFile write_view(FileSystem& files, const std::string& directory,
                     const std::vector<SavedTensor>& tensors, LaidOut& laid_out);

// What a rank tells rank 0: its shard, or what went wrong.
struct Side {
  std::string attempt;
  Shard shard;
  std::optional<std::string> error;
};
std::string to_text(const Side& side);
// Throws DataError where the text is not whole (yet).
Side side_from_text(std::string_view text);

}  // namespace ripieno::io
