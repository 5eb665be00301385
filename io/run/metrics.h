// metrics.jsonl: what a run measured, one line a logged step, for people, tools and the report.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace ripieno::io {

// One line. What is not set is not written; what is not finite is written as null, and read as not
// set.
struct StepMetrics {
  int64_t step = 0;  // counted from 1
  std::optional<double> loss = {};
  std::optional<double> validation_loss = {};
  std::optional<double> accuracy = {};  // of validation, 0 to 1
  std::optional<int64_t> tokens = {};   // since the run began
  std::optional<int64_t> samples = {};
  std::optional<double> tokens_per_s = {};
  std::optional<double> samples_per_s = {};
  std::optional<double> learning_rate = {};
  std::optional<double> gradient_norm = {};
  std::optional<double> loss_scale = {};      // of this step, where the loss is scaled
  std::optional<int64_t> skipped_steps = {};  // since the run began, for a gradient not finite
  // Of this step, by phase: data, forward, backward, communication_exposed, optimizer, checkpoint,
  // total.
  std::vector<std::pair<std::string, double>> seconds = {};

  bool operator==(const StepMetrics&) const = default;
};

// The writer of a run's file; one at a time. Each line is one write, so that a reader, also after
// kill -9, sees whole lines.
class MetricsWriter {
 public:
  // Appends to the file, whose last line is dropped first if it was cut short. Throws StorageError.
  explicit MetricsWriter(const std::string& path);
  ~MetricsWriter();
  MetricsWriter(const MetricsWriter&) = delete;
  MetricsWriter& operator=(const MetricsWriter&) = delete;

  // Throws StorageError, for instance where the disk is full; no part of the line then stays.
  void write(const StepMetrics& metrics);
  // Returns once all lines would survive a power cut.
  void sync();

 private:
  std::string path_;
  int file_;
};

// All steps in order; empty where there is no file. Where a step stands on several lines (a resumed
// run repeats steps), each value of a later line replaces that of an earlier one; a last line that
// was cut short is left out. Throws DataError, with the line's number, where another line cannot be
// read.
std::vector<StepMetrics> read_metrics(const std::string& path);

}  // namespace ripieno::io
