// Placement: where the files of a save lie, and how they become a checkpoint: by a rename of their
// directory, or, where there is none, by the manifest that is written last. Not installed.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "ripieno/io/checkpoint/commit_mode.h"
#include "ripieno/io/files/file_system.h"

namespace ripieno::io {

class Placement {
 public:
  // Every rank comes to the same directory without asking. `attempt` is another for each save.
  Placement(FileSystem& files, const std::string& directory, int64_t step,
            const std::string& attempt, CommitMode mode);

  CommitMode mode() const { return mode_; }
  // The directory to write to.
  const std::string& path() const { return path_; }
  std::string path_of(const std::string& name) const { return path_ + "/" + name; }

  // Whether a save of this attempt was committed before.
  bool is_committed() const;
  // Makes the directory, and removes what earlier saves left unfinished.
  void make_room(const std::function<bool(const std::string&)>& belongs);
  void remove_strangers(const std::function<bool(const std::string&)>& belongs);

  // For text that readers know to be whole by its seal. With CommitMode::manifest it may be seen
  // before this returns, and also where it throws.
  void write_sealed(const std::string& name, const std::string& text);

  // Once it returns, the checkpoint stands and would survive a power cut.
  void commit(const std::string& manifest);
  // Then: of other saves of the same step, what the commit did not put out of the way.
  void remove_replaced();
  // Of a save that failed.
  void remove();

 private:
  void set_aside();

  FileSystem& files_;
  const std::string& directory_;
  const int64_t step_;
  const CommitMode mode_;
  const std::string final_;  // where the mode is rename
  const std::string path_;
};

}  // namespace ripieno::io
