// RunCheckpoints: selects and loads the checkpoint from which a run resumes.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "ripieno/io/checkpoint/checkpoint.h"
#include "ripieno/io/checkpoint/state.h"
#include "ripieno/io/files/file_system.h"
#include "ripieno/io/files/json.h"
#include "ripieno/training/session/session.h"

namespace ripieno {

// Renames a file or directory, if it exists, to NAME.set_aside (or NAME.set_aside_2, …), so that it
// is no longer used.
void set_aside(io::FileSystem& files, const std::string& path);

class RunCheckpoints {
 public:
  // A collective, as are all calls.
  RunCheckpoints(Session& session, std::string directory);

  struct Resumed {
    std::string path;                   // empty: the run starts at step 0
    std::vector<std::string> rejected;  // newer checkpoints that are damaged, a message each
  };
  // Loads a checkpoint into the run. Throws DataError or StorageError if it is damaged, and is then
  // called again with an older one. Must not call collectives.
  using Load = std::function<void(const io::Checkpoint&, const io::LoadOptions&)>;
  // Loads the newest checkpoint that all ranks find intact. `from`: "auto", "never" (loads none),
  // or the path of a checkpoint, which must be intact. Throws ConfigurationError if there is no
  // such checkpoint, DataError if there are checkpoints but none of them is intact.
  Resumed resume(const std::string& from, const Load& load);

  // Sets checkpoints of later steps aside, so that none of them is taken for one of this run.
  void set_aside_after(int64_t step);

 private:
  std::vector<std::string> candidates();
  std::string refusal_of(const std::string& path, const Load& load);

  Session& session_;
  std::string directory_;
};

}  // namespace ripieno
