// Alerts: decides in which steps the rules of a run fire.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "ripieno/training/metrics/alert_rule.h"

namespace ripieno {

class Alerts {
 public:
  explicit Alerts(const std::vector<std::string>& rules);

  // A rule that fires: its condition holds in all lines of as many steps as it says.
  struct Fired {
    const AlertRule* rule = nullptr;
    int64_t step = 0;
    double value = 0;
  };
  // The rules that fire with this line. A rule fires once, and again after its condition has ended.
  // Allocates nothing unless one fires.
  std::vector<Fired> observe(const io::StepMetrics& line);
  // Those rules whose metric has been in no line so far.
  std::vector<const AlertRule*> unseen() const;
  // The run starts, or went back to an earlier step: no condition holds yet.
  void restart();

 private:
  struct Watched {
    AlertRule rule;
    int64_t since = -1;  // the first step of the line with which the condition began; -1: it ended
    bool has_fired = false, is_seen = false;
  };
  std::vector<Watched> watched_;
};

}  // namespace ripieno
