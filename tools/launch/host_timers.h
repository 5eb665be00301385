// HostTimers: which hosts have stopped to report that they are alive.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace ripieno::tools {

class HostTimers {
 public:
  static constexpr double kSilentSeconds = 10;  // a host is lost that was silent for so long
  static constexpr double kStartSeconds = 120;  // or did not report at all

  // `hosts` must report from `now` on. All times are monotonic seconds.
  HostTimers(const std::vector<std::string>& hosts, double now);

  // What the hosts reported, as read from storage at `now`. A pause of seconds between two reads
  // means that storage did not answer; the hosts get this time back.
  void update(const std::map<std::string, uint64_t>& alive, double now);

  // The hosts that are lost, as of the last update. If training has started, a host that never
  // reported is not lost: it does not see the folder of the attempt.
  std::vector<std::string> lost(bool has_started) const;

 private:
  struct Host {
    uint64_t count = 0;  // 0: it has not reported
    double since = 0;
  };
  std::map<std::string, Host> hosts_;
  double updated_;
};

}  // namespace ripieno::tools
