// GitState: the commit of the working directory, for run.json.
#pragma once

#include <optional>
#include <string>

namespace ripieno {

struct GitState {
  std::string commit = {};  // 40 hexadecimal digits
  std::string branch = {};  // empty: none is checked out
  bool is_dirty = false;    // files under version control differ from the commit
};

// Asks git, which writes nothing. Empty if `directory` is in no repository, if there is no git, or
// if it does not answer within `limit_seconds`.
std::optional<GitState> git_state(const std::string& directory, double limit_seconds = 2);

}  // namespace ripieno
