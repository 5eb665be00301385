// Names and states of checkpoint directories: step_00001000 and its suffixes. Not installed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ripieno/io/files/file_system.h"

namespace ripieno::io {

inline constexpr std::string_view kManifestName = "manifest.json";
inline constexpr std::string_view kViewName = "checkpoint.h5";
// Marker file in a checkpoint directory that is excluded from its run.
inline constexpr std::string_view kSetAsideName = "set_aside";

// Directory that a run creates and removes at startup to test its storage.
inline constexpr std::string_view kProbeName = "probe";

// Suffixes of step_<n>:
inline constexpr std::string_view kPartial = ".partial";    // being written, or save interrupted
inline constexpr std::string_view kReplaced = ".replaced";  // intact; its step was saved again
inline constexpr std::string_view kDamaged = ".damaged";    // damaged; its step was saved again
// Followed by the attempt: CommitMode::manifest; a checkpoint once it has a complete manifest.
inline constexpr char kAttempt = '@';

struct StepDirectory {
  int64_t step;
  std::string suffix;  // empty, or one of those above
  std::string path;
};

// "step_00001000".
std::string step_name(int64_t step);
// Whether `text` is a valid attempt: letters, digits, - and _.
bool is_attempt(std::string_view text);
// Directories named step_<n> with or without one of the suffixes above, newest first; for equal
// steps the one without suffix first. Empty if `directory` does not exist.
std::vector<StepDirectory> step_directories(const FileSystem& files, const std::string& directory);

// Whether there is a complete manifest; its content may still be damaged.
bool has_sealed_manifest(const FileSystem& files, const std::string& path);
// Whether the directory is a committed checkpoint of the run, by its name and files; it may be
// damaged. Throws StorageError if it is not known whether it was set aside.
bool is_candidate(const FileSystem& files, const StepDirectory& found);
// Whether it is being written or was left by an interrupted save.
bool is_unfinished(const FileSystem& files, const StepDirectory& found);

// Excludes a checkpoint from its run without renaming it: is_candidate() is then false. It can
// still be opened by its path.
void mark_set_aside(FileSystem& files, const std::string& path);
bool is_set_aside(const FileSystem& files, const std::string& path);
// Whether the path certainly does not exist any more (an active run may remove checkpoints at any
// time). False if storage returns an error.
bool has_vanished(const FileSystem& files, const std::string& path);
// Removes the manifest first and syncs, so that what a power cut leaves is not taken for a
// checkpoint.
void remove_checkpoint(FileSystem& files, const std::string& path);

}  // namespace ripieno::io
