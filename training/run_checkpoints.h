// RunCheckpoints: which checkpoint a run continues from, and how its ranks save one together.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "ripieno/io/file_system.h"
#include "ripieno/io/state.h"
#include "ripieno/training/session.h"

namespace ripieno {

// Renames a file or folder, where there is one, so that nobody takes it for what it was.
void set_aside(io::FileSystem& files, const std::string& path);

class RunCheckpoints {
 public:
  // A collective, as are all calls.
  RunCheckpoints(Session& session, std::string directory, int keep);

  struct Choice {
    std::string path;                   // empty: from the start
    std::vector<std::string> rejected;  // on rank 0: newer ones that are damaged, a line each
  };
  // `resume`: "auto", "never", or the path of a checkpoint. Throws ConfigurationError where there
  // is no such path, DataError where there are checkpoints and none of them is intact.
  Choice choose(const std::string& resume);

  // Puts checkpoints of later steps out of the way, so that none of them is taken for this run's.
  void set_aside_after(int64_t step);

  // Empty, or why it failed: what was saved before then stands. The same on every rank.
  std::string save(int64_t step, const io::State& whole, const nlohmann::json& training_state);

 private:
  Session& session_;
  std::string directory_;
  int keep_;
  std::string start_;  // names this start of the run
  int64_t saves_ = 0;
};

}  // namespace ripieno
