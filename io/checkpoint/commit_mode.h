// CommitMode: how a checkpoint is committed, depending on what its file system supports.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "ripieno/io/files/file_system.h"

namespace ripieno::io {

enum class CommitMode {
  rename,    // the directory is written under a temporary name and renamed
  manifest,  // the manifest is written last, for file systems that cannot rename directories
};

// "rename", "manifest"; commit_mode_named() returns nullopt for any other name.
std::string_view name_of(CommitMode mode);
std::optional<CommitMode> commit_mode_named(std::string_view name);

// Finds out which mode the file system of checkpoints_directory supports, by renaming a small
// directory in it; creates checkpoints_directory if it does not exist. Only rank 0 calls it, and
// sends the result to the other ranks. Throws StorageError if the directory is not writable.
CommitMode probe_commit_mode(FileSystem& files, const std::string& checkpoints_directory);

}  // namespace ripieno::io
