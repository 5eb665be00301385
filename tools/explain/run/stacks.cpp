#include "ripieno/tools/explain/run/stacks.h"

#include <fmt/format.h>

#include <span>

#include "ripieno/io/run/ranks/paths.h"

namespace ripieno::tools::explain {
namespace {

constexpr int64_t kMostBytes = 1 << 20;
constexpr std::size_t kMostFrames = 64;

std::string_view next_line(std::string_view& text) {
  const auto end = text.find('\n');
  const auto line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return line;
}

// "  #3 /lib/libc.so.6+0x11a3f4 poll+0x52" -> "poll"; without a name: "libc.so.6+0x11a3f4"
std::string name_of_frame(std::string_view line) {
  const auto module_begin = line.find(' ', line.find('#'));
  if (module_begin == std::string_view::npos) return std::string(line);
  std::string_view rest = line.substr(module_begin + 1);
  const auto name_begin = rest.find(' ');
  if (name_begin == std::string_view::npos) {
    const auto slash = rest.rfind('/');
    return std::string(slash == std::string_view::npos ? rest : rest.substr(slash + 1));
  }
  rest.remove_prefix(name_begin + 1);
  return std::string(rest.substr(0, rest.rfind("+0x")));
}

}  // namespace

std::vector<std::string> parse_stack(std::string_view text, int thread) {
  const std::string title = fmt::format("thread {} ", thread);
  std::vector<std::string> frames;
  bool is_in_thread = false;
  while (!text.empty() && frames.size() < kMostFrames) {
    const auto line = next_line(text);
    if (line.starts_with("thread ")) is_in_thread = line.starts_with(title);
    if (is_in_thread && line.starts_with("  #")) frames.push_back(name_of_frame(line));
  }
  return frames;
}

std::vector<std::string> read_stack(const io::FileSystem& files, const std::string& run_directory,
                                    const io::FlightRecord& record) {
  const auto path = io::stacks_path(io::rank_directory(run_directory, record.rank));
  if (!files.exists(path)) return {};
  const auto file = files.open(path);
  std::string text(static_cast<std::size_t>(std::min(file->size(), kMostBytes)), '\0');
  file->read(0, std::as_writable_bytes(std::span(text)));
  // That of another process is of an earlier start.
  if (text.substr(0, text.find('\n')).find(fmt::format("process {}", record.process)) ==
      std::string::npos)
    return {};
  return parse_stack(text, record.process);
}

}  // namespace ripieno::tools::explain
