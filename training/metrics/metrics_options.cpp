#include "ripieno/training/metrics/metrics_options.h"

#include "ripieno/training/metrics/alert_rule.h"
#include "ripieno/training/metrics/metrics_server.h"

namespace ripieno {

void check(const MetricsOptions& options) {
  for (const auto& rule : options.alerts) parse_alert_rule(rule);
  if (!options.prometheus_address.empty()) parse_server_address(options.prometheus_address);
}

}  // namespace ripieno
