#include "ripieno/tools/launch/mpirun_text.h"

#include <cstdio>

namespace ripieno::tools {
namespace {

constexpr std::size_t kLongestLine = 1000;
constexpr std::string_view kRemote = "Remote daemon:", kNode = " on node ";

}  // namespace

void MpirunText::add(std::string_view text) {
  for (const char c : text) {
    if (c == '\n') {
      read_line();
      line_.clear();
    } else if (line_.size() < kLongestLine) {
      line_ += c;
    }
  }
}

void MpirunText::read_line() {
  if (line_.find("lost communication with a remote daemon") != std::string::npos)
    is_about_loss_ = true;
  if (const auto node = line_.find(kNode);
      is_about_loss_ && node != std::string::npos && line_.find(kRemote) != std::string::npos) {
    lost_.push_back(line_.substr(node + kNode.size()));
    is_about_loss_ = false;
  }
  int rank = 0, pid = 0, signal = 0;
  char host[256] = {};
  if (std::sscanf(line_.c_str(), "ssh: connect to host %255s port", host) == 1 ||
      std::sscanf(line_.c_str(), "ssh: Could not resolve hostname %255[^:]:", host) == 1)
    lost_.emplace_back(host);
  if (std::sscanf(
          line_.c_str(),
          "mpirun noticed that process rank %d with PID %d on node %255s exited on signal %d",
          &rank, &pid, host, &signal) == 4)
    killed_ = RankEnd{.rank = rank, .host = host, .signal = signal};
}

}  // namespace ripieno::tools
