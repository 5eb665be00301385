// PrometheusMetrics: the metrics of a run as Prometheus shows them (docs/metrics.md has the names).
// Used by one thread at a time.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "ripieno/core/device/memory.h"
#include "ripieno/io/run/metrics.h"
#include "ripieno/io/run/prometheus_text.h"
#include "ripieno/training/metrics/step_totals.h"

namespace ripieno {

class PrometheusMetrics {
 public:
  struct Labels {
    std::string run, host, model;  // model may be empty
  };
  // `device_memory`: the pool of the GPU; null on the CPU. `restarts`: starts after the first.
  // `utilization_per_token`: of io::utilization_per_token().
  PrometheusMetrics(const Labels& labels, const Pool* device_memory, int64_t restarts,
                    double utilization_per_token = 0);

  // A line of metrics.jsonl.
  void note(const io::StepMetrics& line);
  // The last heartbeat of a rank.
  struct Heartbeat {
    int rank = 0;
    double time = 0;  // seconds since 1970
    int64_t resident_bytes = 0;
  };
  void note(std::vector<Heartbeat> heartbeats) { heartbeats_ = std::move(heartbeats); }

  std::string text(const StepTotals& totals) const;

 private:
  void add_values(io::PrometheusText& text) const;
  void add_utilization(io::PrometheusText& text) const;
  void add_own_values(io::PrometheusText& text) const;
  void add_times(io::PrometheusText& text, const StepTotals& totals) const;
  void add_events(io::PrometheusText& text, const StepTotals& totals) const;
  void add_memory(io::PrometheusText& text) const;
  void add_heartbeats(io::PrometheusText& text) const;

  const io::PrometheusText::Labels labels_;
  const Pool* const device_memory_;
  const int64_t restarts_;
  const double utilization_per_token_;
  std::map<std::string, io::Metric> values_;  // by name
  std::map<std::string, int64_t> alerts_;     // by rule
  double data_wait_ = 0;                      // of the last line: seconds of data / total
  std::vector<Heartbeat> heartbeats_;
};

}  // namespace ripieno
