// CommitMode: how a checkpoint becomes one, which depends on what its file system can do.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "ripieno/io/files/file_system.h"

namespace ripieno::io {

enum class CommitMode {
  rename,    // its directory is written under another name, and renamed
  manifest,  // its manifest is written last: for file systems without a rename of directories
};

std::string_view name_of(CommitMode mode);
std::optional<CommitMode> commit_mode_named(std::string_view name);

// Renames a small directory in checkpoints_directory, which is made where it is missing. For rank 0
// alone, which tells the others. Throws StorageError where nothing can be written there.
CommitMode probe_commit_mode(FileSystem& files, const std::string& checkpoints_directory);

}  // namespace ripieno::io
