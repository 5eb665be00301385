#include "ripieno/tools/launch/host_timers.h"

namespace ripieno::tools {

HostTimers::HostTimers(const std::vector<std::string>& hosts, double now) : updated_(now) {
  for (const auto& host : hosts) hosts_[host] = {0, now};
}

void HostTimers::update(const std::map<std::string, uint64_t>& alive, double now) {
  constexpr double kUsualPause = 2;
  const double pause = now - updated_ > kUsualPause ? now - updated_ : 0;
  updated_ = now;
  for (auto& [name, host] : hosts_) {
    host.since += pause;
    const auto reported = alive.find(name);
    if (reported != alive.end() && reported->second != host.count) host = {reported->second, now};
  }
}

std::vector<std::string> HostTimers::lost(bool has_started) const {
  std::vector<std::string> silent;
  for (const auto& [name, host] : hosts_) {
    if (host.count == 0 && has_started) continue;
    const double limit = host.count == 0 ? kStartSeconds : kSilentSeconds;
    if (updated_ - host.since > limit) silent.push_back(name);
  }
  return silent;
}

}  // namespace ripieno::tools
