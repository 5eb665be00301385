// Progress: how far a run is, on a terminal as one line that is redrawn, elsewhere as plain lines
// now and then.
//
// The library prints nothing by itself: the caller gives the stream.
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
  int64_t step = 0;                  // finished
  int64_t steps = 0;                 // of the whole run
  std::string_view counts = "step";  // what those two count
  std::optional<double> loss = {};
  std::optional<double> validation_loss = {};                // the newest
  std::vector<std::pair<std::string, double>> metrics = {};  // others, by name
  std::optional<double> units_per_s = {};
  std::string_view unit = "tokens";
  std::optional<double> seconds_left = {};
};

// "step 1,200/2,000  ━━━━━━━━╸━━━━  60 %  loss 1.7310  validation 1.8802  54,210 tokens/s  0:12
// left", of `columns` columns at most: what there is no room for is left out, the bar first.
std::string progress_line(const ProgressState& state, int columns);
// The same without a bar.
std::string plain_progress_line(const ProgressState& state);

class Progress {
 public:
  // On a terminal (see is_terminal) the line is redrawn ten times a second at most; elsewhere a
  // line is written every `plain_seconds` at most. The stream must outlive this.
  Progress(std::FILE* out, bool terminal, double plain_seconds = 10);
  // Leaves the last state standing.
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void update(const ProgressState& state);
  // A line of its own, above the progress.
  void note(std::string_view text);
  // Shows the last state, if it is not shown yet, and ends the line.
  void finish();

 private:
  void show(const ProgressState& state);

  std::FILE* out_;
  bool terminal_;
  std::chrono::duration<double> interval_;
  std::optional<std::chrono::steady_clock::time_point> drawn_;
  std::string line_;                      // what stands on the terminal, without an end of line
  std::optional<ProgressState> pending_;  // the last state, where it is not shown
};

bool is_terminal(std::FILE* out);

// Seconds left, from the rate of the steps since this was made (the first, slow one left out).
class TimeLeft {
 public:
  using Clock = std::chrono::steady_clock;

  // The steps done by `now`. Nothing before two calls with a step between them.
  std::optional<double> after(int64_t step, int64_t steps, Clock::time_point now = Clock::now());

 private:
  std::optional<Clock::time_point> start_;
  int64_t first_ = 0;
};

// "1,234,567"
std::string with_thousands(int64_t value);
// "0:09", "12:34" or "1:02:03"
std::string clock_time(double seconds);

}  // namespace ripieno::io
