// MetricsExporter: hands the metrics of a run to the programs in which people look at them: event
// files for TensorBoard, metrics.prom and GET /metrics for Prometheus, commands for alerts.
//
// Rank 0 has one. The thread that trains only copies values into memory; another thread writes them
// about once a second. What cannot be written is reported once and never ends or delays the run.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "ripieno/core/device/device.h"
#include "ripieno/io/files/json.h"
#include "ripieno/io/run/histogram.h"
#include "ripieno/io/run/metrics.h"
#include "ripieno/training/metrics/alerts.h"
#include "ripieno/training/metrics/metrics_options.h"
#include "ripieno/training/metrics/step_totals.h"

namespace ripieno {

class MetricsExporter {
 public:
  struct RunFacts {
    std::string directory;
    Device device = {};
    int64_t restarts = 0;
    double utilization_per_token = 0;  // io::utilization_per_token()
  };

  // `configuration`: the settings by section. The options must have passed check(); what fails here
  // is a remark.
  MetricsExporter(const MetricsOptions& options, const RunFacts& facts,
                  const nlohmann::json& configuration);
  // Calls finish().
  ~MetricsExporter();
  MetricsExporter(const MetricsExporter&) = delete;
  MetricsExporter& operator=(const MetricsExporter&) = delete;

  // All of these are called on the thread that trains.

  // The run starts after `step`, or went back to it. Called first.
  void begin_after(int64_t step);
  // A line of metrics.jsonl. Adds the rules that fire to it, and starts their commands.
  void write(io::StepMetrics& line);
  // The same for each step, logged or not.
  StepTotals& totals();
  struct TaggedHistogram {
    std::string tag;
    io::Histogram histogram;
  };
  bool wants_histograms(int64_t step) const;
  void write(int64_t step, std::vector<TaggedHistogram> histograms);

  // Lines about alerts, and about what could not be written, since the last call.
  std::vector<std::string> take_remarks();
  // Writes what is left, waiting at most ten seconds for storage. Later calls do nothing.
  void finish();
  // The port of the server; 0: there is none.
  uint16_t port() const;

 private:
  struct State;

  void warn_of_unseen(std::string_view metric = "");

  const MetricsOptions options_;
  Alerts alerts_;
  bool has_lines_ = false;
  std::set<std::string> warned_of_;  // texts of rules
  std::shared_ptr<State> state_;     // also owned by the thread, which may be detached
};

}  // namespace ripieno
