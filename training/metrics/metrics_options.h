// MetricsOptions: where a run writes its metrics besides metrics.jsonl, and its alerts.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ripieno {

struct MetricsOptions {
  bool tensorboard = true;                // event files in events/ of the run directory
  int64_t histograms_every = 0;           // steps between histograms in them; 0: none
  bool prometheus = true;                 // metrics.prom in the run directory
  std::string prometheus_directory = {};  // for a copy, read by node_exporter; empty: none
  std::string prometheus_address = {};    // HOST:PORT of GET /metrics; empty: no server
  std::vector<std::string> alerts = {};   // rules (alert_rule.h)
};

// Throws ConfigurationError if a rule or the address cannot be parsed.
void check(const MetricsOptions& options);

}  // namespace ripieno
