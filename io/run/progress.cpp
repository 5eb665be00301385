#include "ripieno/io/run/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

namespace ripieno::io {
namespace {

constexpr double kRedrawSeconds = 0.1;
constexpr int kWidestBar = 30;
constexpr int kNarrowestBar = 8;
constexpr std::string_view kGap = "  ";
constexpr std::string_view kClearLine = "\r\x1b[K";

// Width of UTF-8 text on a terminal, for characters that are one column wide.
int columns_of(std::string_view text) {
  return static_cast<int>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<uint8_t>(c) & 0xc0) != 0x80; }));
}

double fraction_of(const ProgressState& state) {
  if (state.steps <= 0) return 0;
  return std::clamp(static_cast<double>(state.step) / static_cast<double>(state.steps), 0.0, 1.0);
}

std::string bar(double fraction, int columns) {
  const int halves = static_cast<int>(std::floor(fraction * 2 * columns));
  std::string text;
  for (int i = 0; i < columns; ++i) text += 2 * i + 1 < halves ? "━" : 2 * i < halves ? "╸" : "─";
  return text;
}

std::string rate(const ProgressState& state) {
  const double value = *state.units_per_s;
  if (!std::isfinite(value)) return "";
  if (value < 100) return fmt::format("{:.1f} {}/s", value, state.unit);
  return fmt::format("{} {}/s", rounded_with_thousands(value), state.unit);
}

// The fields of a progress line, the most important first.
std::vector<std::string> parts_of(const ProgressState& state) {
  std::vector<std::string> parts;
  parts.push_back(fmt::format("{} {}/{}", state.counts, with_thousands(state.step),
                              with_thousands(state.steps)));
  if (state.loss) parts.push_back("loss " + loss_text(*state.loss));
  if (state.validation_loss) parts.push_back("validation " + loss_text(*state.validation_loss));
  for (const auto& [name, value] : state.metrics)
    parts.push_back(fmt::format("{} {:.4g}", name, value));
  if (state.units_per_s) parts.push_back(rate(state));
  if (state.seconds_left) parts.push_back(clock_time(*state.seconds_left) + " left");
  std::erase(parts, "");
  return parts;
}

int terminal_columns(std::FILE* out) {
  winsize size{};
  const bool known = ::ioctl(::fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : 80;
}

}  // namespace

std::string plain_progress_line(const ProgressState& state) {
  return fmt::format("{}", fmt::join(parts_of(state), kGap));
}

std::string progress_line(const ProgressState& state, int columns) {
  std::vector<std::string> parts = parts_of(state);
  std::string line = fmt::format("{}", fmt::join(parts, kGap));
  while (columns_of(line) > columns && parts.size() > 1) {
    parts.pop_back();
    line = fmt::format("{}", fmt::join(parts, kGap));
  }
  const double fraction = fraction_of(state);
  const std::string percent = fmt::format(" {:3.0f} %", std::floor(fraction * 100));
  const int room = columns - columns_of(line) - columns_of(percent) - static_cast<int>(kGap.size());
  if (room < kNarrowestBar) return line;
  parts.insert(parts.begin() + 1, bar(fraction, std::min(room, kWidestBar)) + percent);
  return fmt::format("{}", fmt::join(parts, kGap));
}

Progress::Progress(std::FILE* out, bool terminal, double plain_seconds)
    : out_(out), terminal_(terminal), interval_(terminal ? kRedrawSeconds : plain_seconds) {}

Progress::~Progress() { finish(); }

void Progress::update(const ProgressState& state) {
  const auto now = std::chrono::steady_clock::now();
  // A last validation may follow, so finish() writes the line of the last step.
  const bool is_last = !terminal_ && state.steps > 0 && state.step >= state.steps;
  if (is_last || (drawn_ && now - *drawn_ < interval_)) {
    pending_ = state;
    return;
  }
  drawn_ = now;
  show(state);
}

void Progress::show(const ProgressState& state) {
  pending_.reset();
  if (terminal_) {
    // The last column stays free, because some terminals wrap there.
    line_ = progress_line(state, terminal_columns(out_) - 1);
    fmt::print(out_, "{}{}", kClearLine, line_);
  } else {
    const std::string line = plain_progress_line(state);
    if (line != line_) fmt::print(out_, "{}\n", line);
    line_ = line;
  }
  std::fflush(out_);
}

void Progress::note(std::string_view text) {
  if (!terminal_) {
    fmt::print(out_, "{}\n", text);
  } else {
    fmt::print(out_, "{}{}\n{}", kClearLine, text, line_);
  }
  std::fflush(out_);
}

void Progress::finish() {
  if (pending_) show(ProgressState(*pending_));
  if (terminal_ && !line_.empty()) fmt::print(out_, "\n");
  line_.clear();
  std::fflush(out_);
}

// mpirun gives each rank a pseudo-terminal even if its own output is not a terminal; its width is
// then 0.
bool is_terminal(std::FILE* out) {
  winsize size{};
  return ::ioctl(::fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
}

std::optional<double> TimeLeft::after(int64_t step, int64_t steps, Clock::time_point now) {
  if (!start_) {
    start_ = now;
    first_ = step;
    return std::nullopt;
  }
  if (step <= first_) return std::nullopt;
  const double seconds = std::chrono::duration<double>(now - *start_).count();
  return seconds / static_cast<double>(step - first_) *
         static_cast<double>(std::max<int64_t>(0, steps - step));
}

std::string with_thousands(int64_t value) {
  const auto bits = static_cast<uint64_t>(value);
  const std::string digits = fmt::format("{}", value < 0 ? 0 - bits : bits);
  std::string grouped = value < 0 ? "-" : "";
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) grouped += ',';
    grouped += digits[i];
  }
  return grouped;
}

std::string rounded_with_thousands(double value) {
  constexpr double kExact = 9007199254740992;  // 2^53
  return std::abs(value) < kExact ? with_thousands(std::llround(value))
                                  : fmt::format("{:.4g}", value);
}

std::string loss_text(double loss) {
  if (std::isnan(loss)) return "nan";  // whatever its sign
  return std::abs(loss) < 1e6 ? fmt::format("{:.4f}", loss) : fmt::format("{:.4g}", loss);
}

std::string clock_time(double seconds) {
  constexpr double kLongest = 1e15;
  const auto whole = static_cast<int64_t>(std::clamp(std::ceil(seconds), 0.0, kLongest));
  if (whole < 3600) return fmt::format("{}:{:02}", whole / 60, whole % 60);
  return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
}

}  // namespace ripieno::io
