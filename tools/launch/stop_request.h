// StopRequest: why a launch was asked to save and stop: a signal, a notice or a budget.
#pragma once

#include <string>

namespace ripieno::tools {

class StopRequest {
 public:
  // Only the first reason is kept.
  void ask(const std::string& reason);
  bool is_asked() const { return !reason_.empty(); }
  const std::string& reason() const { return reason_; }

  // A signal arrived at `now`, in monotonic seconds. True if it demands to end at once: a SIGTERM,
  // SIGINT or SIGQUIT a second or more after the first signal (`timeout` sends two within
  // microseconds).
  bool take_signal(int signal, double now);
  // The signal that demanded to end at once; 0 if none did.
  int ends_at_once() const { return ends_at_once_; }

 private:
  std::string reason_;
  double first_signal_ = 0;
  int ends_at_once_ = 0;
};

}  // namespace ripieno::tools
