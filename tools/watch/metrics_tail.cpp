#include "ripieno/tools/watch/metrics_tail.h"

#include <algorithm>
#include <numeric>
#include <span>

#include "ripieno/core/error.h"
#include "ripieno/io/run/metrics_lines.h"
#include "ripieno/io/run/metrics_reader.h"

namespace ripieno::tools::watch {
namespace {

constexpr int64_t kWhole = int64_t{4} << 20, kEnd = int64_t{1} << 20;
constexpr int64_t kPart = 4096, kParts = 512;
constexpr int64_t kMostPerPoll = int64_t{256} << 10;
constexpr std::size_t kKeptSeconds = 64;

std::string bytes_of(const io::ReadableFile& file, int64_t begin, int64_t end) {
  std::string bytes(static_cast<std::size_t>(end - begin), '\0');
  file.read(begin, std::as_writable_bytes(std::span(bytes)));
  return bytes;
}

bool is_start_of_line(const io::ReadableFile& file, int64_t offset) {
  return offset == 0 || bytes_of(file, offset - 1, offset) == "\n";
}

}  // namespace

std::optional<double> Measured::step_seconds() const {
  if (seconds.empty()) return std::nullopt;
  return std::accumulate(seconds.begin(), seconds.end(), 0.0) / static_cast<double>(seconds.size());
}

void MetricsTail::poll(const io::FileSystem& files) {
  if (!files.exists(path_)) return;
  const auto file = files.open(path_);
  const int64_t size = file->size();
  try {
    const bool is_other = size < offset_ || !is_start_of_line(*file, offset_);
    if (offset_ == 0 || is_other) return begin(*file, size);
    const int64_t from = std::max(offset_, size - kMostPerPoll);
    measured_.is_sampled |= from > offset_;
    offset_ = std::max(offset_, take(*file, from, size));
  } catch (const DataError&) {
    // The file became shorter while it was read: the next call begins anew.
  }
}

void MetricsTail::begin(const io::ReadableFile& file, int64_t size) {
  measured_ = {};
  offset_ = 0;
  if (size <= kWhole) {
    offset_ = take(file, 0, size);
    return;
  }
  measured_.is_sampled = true;
  const int64_t distance = (size - kEnd) / kParts;
  for (int64_t i = 0; i < kParts; ++i) take(file, i * distance, i * distance + kPart);
  offset_ = take(file, size - kEnd, size);
}

int64_t MetricsTail::take(const io::ReadableFile& file, int64_t begin, int64_t end) {
  const std::string text = bytes_of(file, begin, end);
  std::size_t line = 0;
  if (!is_start_of_line(file, begin)) {
    const auto first = text.find('\n');
    if (first == std::string::npos) return begin;
    line = first + 1;
  }
  for (std::size_t next; (next = text.find('\n', line)) != std::string::npos; line = next + 1)
    take_line(std::string_view(text).substr(line, next - line));
  return begin + static_cast<int64_t>(line);
}

void MetricsTail::take_line(std::string_view text) {
  const auto order = text.size() > io::kLongestLine ? std::nullopt : io::step_of(text);
  if (order && (order->is_branch || order->step < measured_.step)) {
    measured_.loss.cut(order->step);
    measured_.validation.cut(order->step);
    measured_.step = order->step;
  }
  if (order && order->is_branch) return;
  const auto line = order ? io::parse_metrics_line(text) : std::nullopt;
  if (!line) {
    ++measured_.unreadable;
    return;
  }
  measured_.step = measured_.newest.step = line->step;
  for (const auto& metric : line->values) measured_.newest.set(metric);
  if (const auto loss = line->get(io::metric::kLoss)) measured_.loss.add(line->step, *loss);
  if (const auto loss = line->get(io::metric::kValidationLoss)) {
    measured_.validation.add(line->step, *loss);
    measured_.validated_step = line->step;
  }
  for (const auto& [phase, seconds] : line->seconds) {
    if (phase != "total" || !(seconds > 0)) continue;
    measured_.seconds.push_back(seconds);
    if (measured_.seconds.size() > kKeptSeconds) measured_.seconds.pop_front();
  }
}

}  // namespace ripieno::tools::watch
