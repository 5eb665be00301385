// SavedState: what the checkpoints of a run are good for, from their names and manifests.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ripieno/io/files/file_system.h"

namespace ripieno::tools::explain {

struct SavedState {
  std::optional<int64_t> intact_step = {};  // of the newest whose manifest is intact
  std::string intact_path = {};
  int64_t not_finite = 0;                 // elements of that one that are NaN or infinite
  std::string not_finite_tensor = {};     // the first that has some
  std::vector<std::string> damaged = {};  // paths: those set aside, and newer ones than the intact
  std::string unfinished = {};            // the newest that is being written or was interrupted
};

// Opens manifests only, from the newest checkpoint back to an intact one. Throws StorageError.
SavedState read_saved_state(const io::FileSystem& files, const std::string& directory);

}  // namespace ripieno::tools::explain
