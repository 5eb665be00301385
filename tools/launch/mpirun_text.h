// What Open MPI's mpirun says on stderr about ranks and hosts that it lost.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ripieno/tools/launch/decision.h"

namespace ripieno::tools {

// Collects it from the stderr of mpirun, in which it is mixed with that of the ranks.
class MpirunText {
 public:
  void add(std::string_view text);

  // Hosts whose daemon it lost, or could not start.
  const std::vector<std::string>& lost_hosts() const { return lost_; }
  // The rank that, as it says, a signal ended; without pid and time.
  const std::optional<RankEnd>& killed_rank() const { return killed_; }

 private:
  void read_line();

  std::string line_;
  bool is_about_loss_ = false;
  std::vector<std::string> lost_;
  std::optional<RankEnd> killed_;
};

}  // namespace ripieno::tools
