// Placement: the directory in which a save writes its files, and how they are committed: by
// renaming the directory or, on file systems without renames, by writing the manifest last. Not
// installed.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "ripieno/io/checkpoint/commit_mode.h"
#include "ripieno/io/files/file_system.h"

namespace ripieno::io {

class Placement {
 public:
  // All ranks compute the same directory without communication. `attempt` must be different for
  // each save.
  Placement(FileSystem& files, const std::string& directory, int64_t step,
            const std::string& attempt, CommitMode mode);

  CommitMode mode() const { return mode_; }
  // The directory to write to.
  const std::string& path() const { return path_; }
  std::string path_of(const std::string& name) const { return path_ + "/" + name; }

  // Whether a save with this attempt was already committed.
  bool is_committed() const;
  // Creates the directory, and removes remains of unfinished saves: other directories, and files in
  // this one whose name `belongs` rejects.
  void prepare(const std::function<bool(const std::string&)>& belongs);
  // Removes all files in the directory whose name `belongs` rejects.
  void remove_others(const std::function<bool(const std::string&)>& belongs);

  // Writes text with a seal, by which readers recognize that it is complete. With
  // CommitMode::manifest readers may see it before this returns, and also if it throws.
  void write_sealed(const std::string& name, const std::string& text);

  // Writes the manifest and commits. When it returns, the checkpoint survives a power cut.
  void commit(const std::string& manifest);
  // After commit(): removes other checkpoints of the same step that the commit did not rename.
  void remove_replaced();
  // Removes the files of a save that failed.
  void remove();

 private:
  void move_existing();

  FileSystem& files_;
  const std::string& directory_;
  const int64_t step_;
  const CommitMode mode_;
  const std::string final_;  // the committed directory; CommitMode::rename only
  const std::string path_;
};

}  // namespace ripieno::io
