#include "ripieno/training/run/run_log.h"

#include <algorithm>

#include "ripieno/core/error.h"

namespace ripieno {

RunLog::RunLog(const io::RunPaths& paths, bool speaks, std::FILE* progress, std::FILE* messages)
    : paths_(paths), writes_(speaks) {
  if (!speaks) return;
  messages_ = messages;
  if (progress) progress_ = std::make_unique<io::Progress>(progress, io::is_terminal(progress));
  metrics_ = std::make_unique<io::MetricsWriter>(paths.metrics());
}

void RunLog::write(const io::StepMetrics& metrics) {
  if (!writes_) return;
  unwritten_.push_back(metrics);
  flush();
}

void RunLog::flush() {
  std::size_t written = 0;
  try {
    for (; written < unwritten_.size(); ++written) metrics_->write(unwritten_[written]);
    storage_refused_ = false;
  } catch (const StorageError& error) {
    if (!storage_refused_) {
      warn(std::string(error.what()) + "; training goes on, the lines are written later");
    }
    storage_refused_ = true;
  }
  unwritten_.erase(unwritten_.begin(), unwritten_.begin() + static_cast<std::ptrdiff_t>(written));
}

std::function<void()> RunLog::syncing() const {
  if (!writes_ || storage_refused_) return {};
  return [metrics = metrics_.get()] { metrics->sync(); };
}

void RunLog::show(const io::ProgressState& state) {
  if (progress_) progress_->update(state);
}

void RunLog::note(const std::string& text) {
  if (progress_) progress_->note(text);
}

void RunLog::warn(const std::string& text) {
  if (!messages_) return;
  std::string line = text;
  std::replace(line.begin(), line.end(), '\n', ' ');
  if (progress_ && io::is_terminal(messages_)) line = "\r\x1b[K" + line;  // over the progress
  std::fputs((line + '\n').c_str(), messages_);
  std::fflush(messages_);
}

void RunLog::finish() {
  if (progress_) progress_->finish();
}

}  // namespace ripieno
