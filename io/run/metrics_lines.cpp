#include "ripieno/io/run/metrics_lines.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <span>
#include <vector>

#include "ripieno/io/files/file_system.h"

namespace ripieno::io {
namespace {

constexpr std::string_view kStep = "{\"step\":";
constexpr std::string_view kBranch = ",\"resumed\":true}";

constexpr int64_t kChunkBytes = 1 << 16;

std::string_view read_at(const ReadableFile& file, int64_t offset, int64_t bytes,
                         std::vector<char>& buffer) {
  buffer.resize(static_cast<std::size_t>(bytes));
  file.read(offset, std::as_writable_bytes(std::span(buffer)));
  return {buffer.data(), buffer.size()};
}

// Assembles lines from consecutive chunks of a file.
class Lines {
 public:
  explicit Lines(const std::function<void(std::string_view, int64_t)>& visit) : visit_(visit) {}

  void add(std::string_view chunk) {
    for (auto end = chunk.find('\n'); end != std::string_view::npos; end = chunk.find('\n')) {
      keep(chunk.substr(0, end));
      visit_(is_too_long_ ? std::string_view() : std::string_view(line_), ++number_);
      line_.clear();
      is_too_long_ = false;
      chunk.remove_prefix(end + 1);
    }
    keep(chunk);
  }

 private:
  void keep(std::string_view part) {
    is_too_long_ = is_too_long_ || line_.size() + part.size() > kLongestLine;
    if (!is_too_long_) line_ += part;
  }

  const std::function<void(std::string_view, int64_t)>& visit_;
  std::string line_;
  bool is_too_long_ = false;
  int64_t number_ = 0;
};

}  // namespace

void for_each_line(const std::string& path,
                   const std::function<void(std::string_view, int64_t)>& visit) {
  const auto file = local_files().open(path);
  const int64_t size = file->size();
  std::vector<char> buffer;
  Lines lines(visit);
  for (int64_t begin = 0; begin < size; begin += kChunkBytes)
    lines.add(read_at(*file, begin, std::min(kChunkBytes, size - begin), buffer));
}

LinesEnd end_of_lines(const std::string& path) {
  const auto file = local_files().open(path);
  std::vector<char> buffer;
  std::string tail;
  int64_t begin = file->size();
  // Read backwards until `tail` contains the last complete line and the end of the line before it.
  while (begin > 0 && (std::count(tail.begin(), tail.end(), '\n') < 2)) {
    if (tail.size() > 2 * kLongestLine && tail.find('\n') != std::string::npos) break;
    const int64_t bytes = std::min(kChunkBytes, begin);
    begin -= bytes;
    tail.insert(0, read_at(*file, begin, bytes, buffer));
  }
  const auto end = tail.rfind('\n');
  if (end == std::string::npos) return {};
  const auto before = end == 0 ? std::string::npos : tail.rfind('\n', end - 1);
  const auto first = before == std::string::npos ? 0 : before + 1;
  const auto last = step_of(std::string_view(tail).substr(first, end - first));
  return {begin + static_cast<int64_t>(end) + 1, last ? last->step : INT64_MAX};
}

std::string branch_line(int64_t step) { return fmt::format("{}{}{}\n", kStep, step, kBranch); }

std::optional<LineStep> step_of(std::string_view line) {
  if (!line.starts_with(kStep) || !line.ends_with('}')) return std::nullopt;
  LineStep found;
  const char* end = line.data() + line.size();
  const auto number = std::from_chars(line.data() + kStep.size(), end, found.step);
  if (number.ec != std::errc() || found.step < 0) return std::nullopt;
  found.is_branch =
      std::string_view(number.ptr, static_cast<std::size_t>(end - number.ptr)) == kBranch;
  return found;
}

}  // namespace ripieno::io
