// Progress: shows the progress of a run, on a terminal as one line that is redrawn, otherwise as
// plain lines at intervals.
//
// Output goes to the stream that the caller passes. Not thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ripieno::io {

struct ProgressState {
  int64_t step = 0;                  // steps done
  int64_t steps = 0;                 // steps of the whole run
  std::string_view counts = "step";  // what `step` and `steps` count
  std::optional<double> loss = {};
  std::optional<double> validation_loss = {};                // the latest
  std::vector<std::pair<std::string, double>> metrics = {};  // other metrics, by name
  std::optional<double> units_per_s = {};
  std::string_view unit = "tokens";
  std::optional<double> seconds_left = {};
};

// "step 1,200/2,000  ━━━━━━━━╸━━━━  60 %  loss 1.7310  validation 1.8802  54,210 tokens/s  0:12
// left". At most `columns` wide: if there is not enough space, the bar is omitted first, then
// fields from the end.
std::string progress_line(const ProgressState& state, int columns);
// All fields, without the bar.
std::string plain_progress_line(const ProgressState& state);

class Progress {
 public:
  // `terminal` (see is_terminal()): redraws one line at most ten times per second; otherwise writes
  // a line at most every `plain_seconds`, and that of the last step at the end. The stream must
  // outlive this object.
  Progress(std::FILE* out, bool terminal, double plain_seconds = 10);
  // Calls finish().
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void update(const ProgressState& state);
  // Writes a separate line, above the progress line.
  void note(std::string_view text);
  // Shows the last state if it was not shown yet, and ends the line.
  void finish();

 private:
  void show(const ProgressState& state);

  std::FILE* out_;
  bool terminal_;
  std::chrono::duration<double> interval_;
  std::optional<std::chrono::steady_clock::time_point> drawn_;
  std::string line_;                      // the last one; on a terminal, not ended by a newline
  std::optional<ProgressState> pending_;  // the last state, if it was not shown yet
};

// Whether output goes to a terminal that has a width; false for the pseudo-terminals of mpirun if
// its own output is redirected.
bool is_terminal(std::FILE* out);

// Estimates the remaining time from the average time per step, without the first (slow) step.
class TimeLeft {
 public:
  using Clock = std::chrono::steady_clock;

  // Remaining seconds if `step` of `steps` are done at time `now`. nullopt on the first call, and
  // until `step` has increased since then.
  std::optional<double> after(int64_t step, int64_t steps, Clock::time_point now = Clock::now());

 private:
  std::optional<Clock::time_point> start_;
  int64_t first_ = 0;
};

// "1,234,567"
std::string with_thousands(int64_t value);
// The same for the nearest whole number; "1e+20" or "nan" for what is too large or none.
std::string rounded_with_thousands(double value);
// "1.7310"; "1e+20" for what is too large to be read with four decimals.
std::string loss_text(double loss);
// "0:09", "12:34" or "1:02:03"
std::string clock_time(double seconds);

}  // namespace ripieno::io
