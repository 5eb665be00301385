// RunLog: the output of a run: metrics.jsonl, progress, and one-line messages. Written by rank 0;
// on the other ranks all calls do nothing.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ripieno/io/run/metrics.h"
#include "ripieno/io/run/progress.h"
#include "ripieno/io/run/run_directory.h"
#include "ripieno/training/metrics/metrics_exporter.h"

namespace ripieno {

class RunLog {
 public:
  // For a run that starts after `step`. `writes`: whether this is rank 0. `progress`, `messages`
  // and `exporter` must outlive this object; null disables them.
  RunLog(const io::RunPaths& paths, int64_t step, bool writes, std::FILE* progress,
         std::FILE* messages, MetricsExporter* exporter = nullptr);

  // Writes a line of metrics, and hands it to the exporter. If it cannot be written, warns once and
  // retries with the next line.
  void write(const io::StepMetrics& metrics);
  // A function that syncs the lines written so far to storage, for another thread. If that fails,
  // the next write() warns. It can be called after this object is destroyed.
  std::function<void()> syncing();

  // Counts a step whose loss or gradient was not finite.
  void count_step_not_finite();
  // Warns of what the exporter could not do, and of alerts.
  void warn_of_remarks();

  bool shows_progress() const { return progress_ != nullptr; }
  void show(const io::ProgressState& state);
  void note(const std::string& text);  // a line of the progress output
  void warn(const std::string& text);  // a line of the messages
  void finish();                       // ends the progress output

 private:
  void flush();
  void warn_of_failure(const std::string& why);
  void drop_lost_progress();

  io::RunPaths paths_;
  int64_t step_;
  std::FILE* messages_ = nullptr;
  std::FILE* progress_stream_ = nullptr;
  std::unique_ptr<io::Progress> progress_;
  MetricsExporter* exporter_ = nullptr;
  bool writes_;
  // Null until the file could be opened; shared with syncing().
  std::shared_ptr<io::MetricsWriter> metrics_;
  std::vector<io::StepMetrics> unwritten_;
  bool write_failed_ = false;
  std::shared_ptr<std::atomic<bool>> sync_failed_ = std::make_shared<std::atomic<bool>>(false);
};

}  // namespace ripieno
