#include "ripieno/training/run/run_log.h"

#include <stdio_ext.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "ripieno/core/error.h"

namespace ripieno {

RunLog::RunLog(const io::RunPaths& paths, int64_t step, bool writes, std::FILE* progress,
               std::FILE* messages, MetricsExporter* exporter)
    : paths_(paths), step_(step), writes_(writes) {
  if (!writes) return;
  messages_ = messages;
  progress_stream_ = progress;
  exporter_ = exporter;
  if (progress) progress_ = std::make_unique<io::Progress>(progress, io::is_terminal(progress));
  if (exporter_) exporter_->begin_after(step);
  flush();
}

void RunLog::write(const io::StepMetrics& metrics) {
  if (!writes_) return;
  unwritten_.push_back(metrics);
  if (exporter_) exporter_->write(unwritten_.back());
  flush();
  warn_of_remarks();
}

void RunLog::count_step_not_finite() {
  if (exporter_) exporter_->totals().count_step_not_finite();
}

void RunLog::warn_of_remarks() {
  if (!exporter_) return;
  for (const auto& line : exporter_->take_remarks()) warn(line);
}

void RunLog::flush() {
  if (sync_failed_->exchange(false)) warn_of_failure(paths_.metrics() + ": sync failed");
  std::size_t written = 0;
  try {
    if (!metrics_) metrics_ = std::make_shared<io::MetricsWriter>(paths_.metrics(), step_);
    for (; written < unwritten_.size(); ++written) metrics_->write(unwritten_[written]);
    write_failed_ = false;
  } catch (const StorageError& error) {
    warn_of_failure(error.what());
  }
  unwritten_.erase(unwritten_.begin(), unwritten_.begin() + static_cast<std::ptrdiff_t>(written));
}

void RunLog::warn_of_failure(const std::string& why) {
  if (!write_failed_) warn(why + "; training continues, and the lines will be written later");
  write_failed_ = true;
}

std::function<void()> RunLog::syncing() {
  if (!writes_ || write_failed_ || !metrics_) return {};
  return [metrics = metrics_, failed = sync_failed_] {
    try {
      metrics->sync();
    } catch (const StorageError&) {
      *failed = true;
    }
  };
}

void RunLog::show(const io::ProgressState& state) {
  if (progress_) progress_->update(state);
  drop_lost_progress();
}

void RunLog::note(const std::string& text) {
  if (progress_) progress_->note(text);
  drop_lost_progress();
}

// A closed reader (head, tee) or a full disk changes neither the run nor its exit status.
void RunLog::drop_lost_progress() {
  if (!progress_ || !std::ferror(progress_stream_)) return;
  const std::string reason = std::strerror(errno);
  progress_.reset();
  __fpurge(progress_stream_);
  std::clearerr(progress_stream_);
  warn("progress cannot be shown (" + reason + "); training continues, see " + paths_.metrics());
}

void RunLog::warn(const std::string& text) {
  if (!messages_) return;
  std::string line = text;
  std::replace(line.begin(), line.end(), '\n', ' ');
  if (progress_ && io::is_terminal(messages_))
    line = "\r\x1b[K" + line;  // overwrites the progress line
  std::fputs((line + '\n').c_str(), messages_);
  std::fflush(messages_);
}

void RunLog::finish() {
  if (progress_) progress_->finish();
  drop_lost_progress();
}

}  // namespace ripieno
