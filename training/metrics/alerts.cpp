#include "ripieno/training/metrics/alerts.h"

namespace ripieno {

Alerts::Alerts(const std::vector<std::string>& rules) {
  for (const auto& rule : rules) watched_.push_back({.rule = parse_alert_rule(rule)});
}

std::vector<Alerts::Fired> Alerts::observe(const io::StepMetrics& line) {
  std::vector<Fired> fired;
  for (Watched& watched : watched_) {
    const auto value = value_of(watched.rule.metric, line);
    if (!value) continue;
    watched.is_seen = true;
    if (!watched.rule.holds(*value)) {
      watched.since = -1;
      watched.has_fired = false;
      continue;
    }
    if (watched.since < 0) watched.since = line.step;
    const bool is_long = line.step - watched.since + 1 >= watched.rule.steps;
    if (!is_long || watched.has_fired) continue;
    watched.has_fired = true;
    fired.push_back({&watched.rule, line.step, *value});
  }
  return fired;
}

std::vector<const AlertRule*> Alerts::unseen() const {
  std::vector<const AlertRule*> unseen;
  for (const Watched& watched : watched_) {
    if (!watched.is_seen) unseen.push_back(&watched.rule);
  }
  return unseen;
}

void Alerts::restart() {
  for (Watched& watched : watched_) {
    watched.since = -1;
    watched.has_fired = false;
  }
}

}  // namespace ripieno
