// RunCheckpoints: which checkpoint a run continues from.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "ripieno/io/checkpoint/checkpoint.h"
#include "ripieno/io/checkpoint/state.h"
#include "ripieno/io/files/file_system.h"
#include "ripieno/training/session/session.h"

namespace ripieno {

// Renames a file or folder, where there is one, so that nobody takes it for what it was.
void set_aside(io::FileSystem& files, const std::string& path);

class RunCheckpoints {
 public:
  // A collective, as are all calls.
  RunCheckpoints(Session& session, std::string directory);

  struct Resumed {
    std::string path;                   // empty: from the start
    std::vector<std::string> rejected;  // newer ones that are damaged, a line each
  };
  // Fills the run, or throws DataError or StorageError where the checkpoint is damaged; it is then
  // called again, with an older one. It makes no collectives.
  using Load = std::function<void(const io::Checkpoint&, const io::LoadOptions&)>;
  // Loads, on every rank, the newest checkpoint of which no rank finds a byte damaged; `from`:
  // "auto", "never", or the path of one, which must then be intact. Throws ConfigurationError where
  // there is no such path, DataError where there are checkpoints and none of them is intact.
  Resumed resume(const std::string& from, const Load& load);

  // Puts checkpoints of later steps out of the way, so that none of them is taken for this run's.
  void set_aside_after(int64_t step);

 private:
  std::vector<std::string> candidates();
  std::string refusal_of(const std::string& path, const Load& load);

  Session& session_;
  std::string directory_;
};

}  // namespace ripieno
