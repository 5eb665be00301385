// RunLog: what rank 0 of a run tells the world: metrics.jsonl, the progress, and one line where
// something goes wrong. On the other ranks every call does nothing.
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

namespace ripieno {

class RunLog {
 public:
  // Of a run that continues after `step`. `progress` and `messages`: null for silence. They outlive
  // this.
  RunLog(const io::RunPaths& paths, int64_t step, bool speaks, std::FILE* progress,
         std::FILE* messages);

  // A line of metrics. Where storage refuses, says so once and tries again with the next line.
  void write(const io::StepMetrics& metrics);
  // What another thread calls to have the lines written so far survive a power cut. Where storage
  // refuses, the next line says so. It may be called, and run, when this is gone.
  std::function<void()> syncing();

  bool shows_progress() const { return progress_ != nullptr; }
  void show(const io::ProgressState& state);
  void note(const std::string& text);  // among the progress
  void warn(const std::string& text);  // among the messages
  void finish();                       // ends the progress

 private:
  void flush();
  void refused(const std::string& why);
  void drop_lost_progress();

  io::RunPaths paths_;
  int64_t step_;
  std::FILE* messages_ = nullptr;
  std::FILE* progress_stream_ = nullptr;
  std::unique_ptr<io::Progress> progress_;
  bool writes_;
  // Once it could be opened; shared with syncing().
  std::shared_ptr<io::MetricsWriter> metrics_;
  std::vector<io::StepMetrics> unwritten_;
  bool storage_refused_ = false;
  std::shared_ptr<std::atomic<bool>> sync_refused_ = std::make_shared<std::atomic<bool>>(false);
};

}  // namespace ripieno
