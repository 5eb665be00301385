#include "ripieno/tools/byte_progress.h"

#include <fmt/format.h>

#include "ripieno/tools/table.h"

namespace ripieno::tools {
namespace {

constexpr double kMegabyte = 1e6;

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

ByteProgress::ByteProgress(int64_t total_bytes, bool quiet)
    : total_bytes_(total_bytes),
      shows_(!quiet && io::is_terminal(stderr)),
      progress_(stderr, shows_) {}

io::ProgressState ByteProgress::state() const {
  const double seconds = seconds_since(start_), bytes = static_cast<double>(bytes_);
  io::ProgressState state{
      .step = static_cast<int64_t>(bytes / kMegabyte),
      .steps = static_cast<int64_t>(static_cast<double>(total_bytes_) / kMegabyte),
      .counts = "MB",
      .unit = "MB"};
  state.units_per_s = bytes / kMegabyte / seconds;
  if (bytes_ > 0) state.seconds_left = seconds / bytes * static_cast<double>(total_bytes_ - bytes_);
  return state;
}

void ByteProgress::add(int64_t bytes) {
  const std::lock_guard lock(mutex_);
  bytes_ += bytes;
  if (shows_) progress_.update(state());
}

void ByteProgress::reach(int64_t bytes) {
  const std::lock_guard lock(mutex_);
  bytes_ = bytes;
  if (shows_) progress_.update(state());
}

std::string ByteProgress::finish() {
  const std::lock_guard lock(mutex_);
  progress_.finish();
  const double seconds = seconds_since(start_);
  return fmt::format("{} in {:.2f} s, {}/s", readable_bytes(bytes_), seconds,
                     readable_bytes(static_cast<int64_t>(static_cast<double>(bytes_) / seconds)));
}

}  // namespace ripieno::tools
