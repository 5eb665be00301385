// Shards: the HDF5 file that each rank writes of a checkpoint, the small side file that commits it,
// and the view that shows them as one. Not installed.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "ripieno/io/file_system.h"
#include "ripieno/io/manifest.h"

namespace ripieno::io {

struct Shard {
  SavedFile file;
  std::vector<SavedTensor> tensors;  // with the pieces that lie in this file
};

std::string shard_name(int rank, int size);
std::string side_name(int rank, int size);

// Writes and syncs directory/shard_name().
Shard write_shard(FileSystem& files, const std::string& directory, int rank, int size,
                  const State& mine);

// Writes and syncs directory/checkpoint.h5.
SavedFile write_view(FileSystem& files, const std::string& directory,
                     const std::vector<SavedTensor>& tensors);

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
