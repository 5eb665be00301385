// The names of checkpoint directories: step_00001000, and what may follow it. Not installed.
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
// A file beside the manifest of a checkpoint that is not to be taken for a run's.
inline constexpr std::string_view kSetAsideName = "set_aside";

// What a run writes there at its start, and removes, to find out what its storage can do.
inline constexpr std::string_view kProbeName = "probe";

inline constexpr std::string_view kPartial =
    ".partial";  // being written, or left by a save cut short
inline constexpr std::string_view kReplaced = ".replaced";  // intact; its step was saved again
inline constexpr std::string_view kDamaged = ".damaged";    // refused, and set aside
// And the attempt: written without a rename; a checkpoint once its manifest is there.
inline constexpr char kAttempt = '@';

struct StepDirectory {
  int64_t step;
  std::string suffix;
  std::string path;
};

std::string step_name(int64_t step);
// Whether it can be part of a name: letters, digits, - and _.
bool is_attempt(std::string_view text);
// Those with one of the suffixes above, or none, newest first; of a step the one without suffix
// first. Empty where there is no such directory.
std::vector<StepDirectory> step_directories(const FileSystem& files, const std::string& directory);

// Whether there is a manifest that was written to its end; what it says may still be damaged.
bool has_sealed_manifest(const FileSystem& files, const std::string& path);
// Whether it is, or should be, a checkpoint of the run. Throws StorageError where nobody can tell
// whether it was set aside.
bool is_candidate(const FileSystem& files, const StepDirectory& found);
// Whether it is being written, or was left by a save cut short.
bool is_unfinished(const FileSystem& files, const StepDirectory& found);

// So that it is no candidate any more, without a rename. Whoever names it may still open it.
void mark_set_aside(FileSystem& files, const std::string& path);
bool is_set_aside(const FileSystem& files, const std::string& path);
// Whether it is known to be there no more, since a run at work has removed it.
bool has_vanished(const FileSystem& files, const std::string& path);
// The manifest first: what is left after a power cut is not taken for a checkpoint.
void remove_checkpoint(FileSystem& files, const std::string& path);

}  // namespace ripieno::io
