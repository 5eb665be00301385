// Writes metrics.jsonl, the measurements of a run: one JSON object per logged step, for tools and
// the report.
#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace ripieno::io {

// A named number. Integers stay integers when written and read back.
struct Metric {
  Metric(std::string metric_name, std::floating_point auto number)
      : name(std::move(metric_name)), value(static_cast<double>(number)) {}
  Metric(std::string metric_name, std::integral auto number)
      : name(std::move(metric_name)), value(static_cast<int64_t>(number)) {}

  double number() const;
  bool operator==(const Metric&) const = default;

  std::string name;
  std::variant<int64_t, double> value;
};

// Names of the metrics that every run writes, in the order in which they appear in a line. Custom
// metrics of a program follow them.
namespace metric {
inline constexpr const char* kLoss = "loss";
inline constexpr const char* kValidationLoss = "validation_loss";
inline constexpr const char* kAccuracy = "accuracy";  // of the validation, 0 to 1
inline constexpr const char* kTokens = "tokens";      // processed since the start of the run
inline constexpr const char* kSamples = "samples";    // processed since the start of the run
inline constexpr const char* kTokensPerSecond = "tokens_per_s";
inline constexpr const char* kSamplesPerSecond = "samples_per_s";
inline constexpr const char* kLearningRate = "learning_rate";
inline constexpr const char* kGradientNorm = "gradient_norm";
inline constexpr const char* kLossScale = "loss_scale";        // of this step; float16 only
inline constexpr const char* kSkippedSteps = "skipped_steps";  // since the start of the run

inline constexpr const char* kRollbacks =
    "rollbacks";  // to a checkpoint, since the start of the run
// Documents and samples left out since the run was started or resumed; data.on_error=skip only.
inline constexpr const char* kSkippedData = "skipped_data";

inline constexpr const char* kKnown[] = {
    kLoss,         kValidationLoss,  kAccuracy,         kTokens,
    kSamples,      kTokensPerSecond, kSamplesPerSecond, kLearningRate,
    kGradientNorm, kLossScale,       kSkippedSteps,     kRollbacks,
    kSkippedData};
}  // namespace metric

// One line: the metrics of a step. Values that are not finite are written as null and read back as
// NaN.
struct StepMetrics {
  int64_t step = 0;  // counted from 1
  std::vector<Metric> values = {};
  // Seconds of this step by phase: data, forward, backward, communication_exposed, optimizer,
  // checkpoint, total.
  std::vector<std::pair<std::string, double>> seconds = {};
  // Of the slowest of several ranks (training/watch/rank_times.h): rank, score, its seconds per
  // step by phase, and those of the median rank (median_data, …).
  std::vector<std::pair<std::string, double>> slowest = {};
  // The rules of alerts whose condition holds since this step (training/metrics/alerts.h).
  std::vector<std::string> alerts = {};

  // Value of a metric; nullopt if it was not measured or is not finite.
  std::optional<double> get(std::string_view name) const;
  // Null if it was not measured.
  const Metric* find(std::string_view name) const;
  // Adds a metric, or replaces the one with the same name.
  void set(Metric metric);

  bool operator==(const StepMetrics&) const = default;
};

// Throws Error if `name` cannot be the name of a program's custom metric: it is empty, has several
// lines, or is reserved ("step", "seconds", "slowest", "alerts", the names above).
void require_custom_metric_name(const std::string& name);

// Appends lines to metrics.jsonl. Only rank 0 has a writer; there may be one at a time, used by one
// thread at a time. Every line but the last is complete, even after kill -9 or a power cut; readers
// skip an incomplete last line, and the next writer removes it. Lines are durable after sync().
class MetricsWriter {
 public:
  // Opens or creates the file. `after_step`: the step from which the run resumes. If the file has
  // lines of later steps, a line is appended that makes readers ignore them. Throws StorageError.
  explicit MetricsWriter(const std::string& path, int64_t after_step = INT64_MAX);
  ~MetricsWriter();
  MetricsWriter(const MetricsWriter&) = delete;
  MetricsWriter& operator=(const MetricsWriter&) = delete;

  // Appends one line. Throws StorageError, e.g. if the disk is full; the file is then unchanged.
  void write(const StepMetrics& metrics);
  // Blocks until all lines survive a power cut. Throws StorageError.
  void sync();

 private:
  void append(const std::string& line);

  std::string path_;
  int file_;
};

}  // namespace ripieno::io
