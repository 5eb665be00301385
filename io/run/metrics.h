// metrics.jsonl: what a run measured, one line a logged step, for people, tools and the report.
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

// A named number; an integer is written and read back as one.
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

// What a run measures by itself, in the order in which a line has it. A program's own metrics
// follow.
namespace metric {
inline constexpr const char* kLoss = "loss";
inline constexpr const char* kValidationLoss = "validation_loss";
inline constexpr const char* kAccuracy = "accuracy";  // of validation, 0 to 1
inline constexpr const char* kTokens = "tokens";      // since the run began
inline constexpr const char* kSamples = "samples";
inline constexpr const char* kTokensPerSecond = "tokens_per_s";
inline constexpr const char* kSamplesPerSecond = "samples_per_s";
inline constexpr const char* kLearningRate = "learning_rate";
inline constexpr const char* kGradientNorm = "gradient_norm";
inline constexpr const char* kLossScale = "loss_scale";        // of this step, where it is scaled
inline constexpr const char* kSkippedSteps = "skipped_steps";  // since the run began

inline constexpr const char* kKnown[] = {
    kLoss,         kValidationLoss,  kAccuracy,         kTokens,
    kSamples,      kTokensPerSecond, kSamplesPerSecond, kLearningRate,
    kGradientNorm, kLossScale,       kSkippedSteps};
}  // namespace metric

// A line: the metrics of a step, counted from 1. What is not finite is written as null, and read
// as NaN.
struct StepMetrics {
  int64_t step = 0;
  std::vector<Metric> values = {};
  // Of this step, by phase: data, forward, backward, communication_exposed, optimizer, checkpoint,
  // total.
  std::vector<std::pair<std::string, double>> seconds = {};

  // Nothing where it was not measured, or is not finite.
  std::optional<double> get(std::string_view name) const;
  const Metric* find(std::string_view name) const;
  // Replaces one of that name.
  void set(Metric metric);

  bool operator==(const StepMetrics&) const = default;
};

// Throws Error where a program's own metric has a name that a line uses otherwise ("step",
// "seconds"), or that the run itself writes.
void require_custom_metric_name(const std::string& name);

// Appends to a run's file; one writer at a time. Every line but the last is whole, also after
// kill -9 or a power cut, which may leave the beginning of a line: readers skip it, and the next
// writer removes it.
class MetricsWriter {
 public:
  // A run that continues after `after_step` leaves the lines of later steps behind, if there are
  // any: a line says so to readers. Throws StorageError.
  explicit MetricsWriter(const std::string& path, int64_t after_step = INT64_MAX);
  ~MetricsWriter();
  MetricsWriter(const MetricsWriter&) = delete;
  MetricsWriter& operator=(const MetricsWriter&) = delete;

  // Throws StorageError, for instance where the disk is full; no part of the line then stays.
  void write(const StepMetrics& metrics);
  // Returns once all lines would survive a power cut.
  void sync();

 private:
  void append(const std::string& line);

  std::string path_;
  int file_;
};

}  // namespace ripieno::io
