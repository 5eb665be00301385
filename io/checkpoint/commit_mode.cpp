#include "ripieno/io/checkpoint/commit_mode.h"

#include "ripieno/core/error.h"
#include "ripieno/io/checkpoint/step_directory.h"

namespace ripieno::io {
namespace {

// Whether a directory can be renamed together with its content.
bool renames(FileSystem& files, const std::string& from, const std::string& to) {
  try {
    files.rename(from, to);
    return !files.exists(from) && read_file(files, to + "/file") == "probe";
  } catch (const Error&) {
    return false;
  }
}

}  // namespace

std::string_view name_of(CommitMode mode) {
  return mode == CommitMode::rename ? "rename" : "manifest";
}

std::optional<CommitMode> commit_mode_named(std::string_view name) {
  for (const auto mode : {CommitMode::rename, CommitMode::manifest}) {
    if (name_of(mode) == name) return mode;
  }
  return std::nullopt;
}

CommitMode probe_commit_mode(FileSystem& files, const std::string& checkpoints_directory) {
  const std::string to = checkpoints_directory + "/" + std::string(kProbeName);
  const std::string from = to + std::string(kPartial);
  const auto clean_up = [&] {
    files.remove_all(from);
    files.remove_all(to);
  };
  clean_up();  // remains of an interrupted probe
  files.make_directories(from);
  write_file(files, from + "/file", "probe");
  const bool does_rename = renames(files, from, to);
  clean_up();
  return does_rename ? CommitMode::rename : CommitMode::manifest;
}

}  // namespace ripieno::io
