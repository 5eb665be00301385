#include "ripieno/tools/launch/stop_request.h"

#include <fmt/format.h>

#include <csignal>
#include <cstring>

namespace ripieno::tools {

void StopRequest::ask(const std::string& reason) {
  if (reason_.empty()) reason_ = reason;
}

bool StopRequest::take_signal(int signal, double now) {
  ask(fmt::format("signal {} ({})", signal, strsignal(signal)));
  if (first_signal_ == 0) first_signal_ = now;
  const bool can_end = signal == SIGTERM || signal == SIGINT || signal == SIGQUIT;
  if (can_end && now - first_signal_ >= 1) ends_at_once_ = signal;
  return ends_at_once_ != 0;
}

}  // namespace ripieno::tools
