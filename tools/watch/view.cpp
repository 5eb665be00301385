#include "ripieno/tools/watch/view.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "ripieno/io/run/progress.h"
#include "ripieno/io/run/ranks/stall.h"
#include "ripieno/tools/explain/wrap.h"
#include "ripieno/tools/table.h"
#include "ripieno/tools/watch/plot.h"
#include "ripieno/tools/watch/rank_rows.h"

namespace ripieno::tools::watch {
namespace {

namespace metric = io::metric;

constexpr double kSilentSeconds = 5;  // of storage, before it is mentioned
constexpr int kPlotLeft = 9;          // columns of the labels of the vertical axis
constexpr int kLeastPlotRows = 5;     // with the horizontal axis
// Each phase is drawn with the first letter of its name, in its own color.
constexpr std::string_view kNames[kPhases] = {"data",  "forward", "backward", "comm",
                                              "optim", "save",    "valid",    "."};

Style style_of(const Snapshot& snapshot) {
  const bool is_bad_now = std::any_of(snapshot.ranks.begin(), snapshot.ranks.end(), is_bad);
  if (snapshot.state == Snapshot::State::ended || is_bad_now) return Style::bad;
  return snapshot.state == Snapshot::State::unknown ? Style::dim : Style::good;
}

std::optional<double> rate_of(const Snapshot& snapshot, std::string_view& unit) {
  const auto& newest = snapshot.measured.newest;
  unit = "tokens";
  if (const auto rate = newest.get(metric::kTokensPerSecond)) return rate;
  unit = "samples";
  return newest.get(metric::kSamplesPerSecond);
}

io::ProgressState progress_of(const Snapshot& snapshot) {
  const auto& newest = snapshot.measured.newest;
  io::ProgressState progress{.step = snapshot.step,
                             .steps = snapshot.steps,
                             .loss = newest.get(metric::kLoss),
                             .seconds_left = snapshot.seconds_left};
  progress.units_per_s = rate_of(snapshot, progress.unit);
  return progress;
}

void draw_title(Screen& screen, const Snapshot& snapshot) {
  const int column = screen.put(0, 0, snapshot.name, Style::bold);
  screen.put(0, column + 2, name_of(snapshot.state), style_of(snapshot));
}

std::string progress_text(const Snapshot& snapshot, int columns) {
  if (snapshot.steps > 0) return io::progress_line(progress_of(snapshot), columns);
  std::string text = "step " + io::with_thousands(snapshot.step);
  std::string_view unit;
  if (const auto loss = snapshot.measured.newest.get(metric::kLoss))
    text += "  loss " + io::loss_text(*loss);
  if (const auto rate = rate_of(snapshot, unit))
    text += fmt::format("  {} {}/s", io::rounded_with_thousands(*rate), unit);
  return text;
}

// The first of several texts that fit, each of them whole.
class Parts {
 public:
  explicit Parts(int columns) : columns_(columns) {}

  void add(std::string_view part, std::string_view gap = "  ") {
    const int needed = columns_of(part) + (text_.empty() ? 0 : columns_of(gap));
    is_full_ = is_full_ || columns_of(text_) + needed > columns_;
    if (is_full_) return;
    if (!text_.empty()) text_ += gap;
    text_ += part;
  }
  const std::string& text() const { return text_; }

 private:
  int columns_;
  bool is_full_ = false;
  std::string text_;
};

std::string metrics_text(const Snapshot& snapshot, int columns) {
  const auto& measured = snapshot.measured;
  Parts parts(columns);
  if (const auto loss = measured.newest.get(metric::kValidationLoss))
    parts.add(fmt::format("validation {} at step {}", io::loss_text(*loss),
                          io::with_thousands(measured.validated_step)));
  if (const auto norm = measured.newest.get(metric::kGradientNorm))
    parts.add(fmt::format("gradient norm {:.3g}", *norm));
  if (const auto rate = measured.newest.get(metric::kLearningRate))
    parts.add(fmt::format("learning rate {:.3g}", *rate));
  if (const auto seconds = measured.step_seconds())
    parts.add(*seconds < 1 ? fmt::format("{:.3g} ms/step", *seconds * 1e3)
                           : fmt::format("{:.3g} s/step", *seconds));
  return parts.text();
}

void draw_plot(Screen& screen, const Snapshot& snapshot, const Area& area) {
  const auto points = snapshot.measured.loss.points();
  const auto validated = snapshot.measured.validation.points();
  auto all = points;
  all.insert(all.end(), validated.begin(), validated.end());
  if (all.empty()) {
    const bool is_null = snapshot.measured.newest.find(metric::kLoss) != nullptr;
    screen.put(area.row, 2, is_null ? "The loss is not finite." : "No step has been logged yet.",
               Style::dim);
    return;
  }
  const Area plot{area.row, kPlotLeft, area.rows - 1, area.columns - kPlotLeft};
  const Axis axis = axis_of(all, plot.rows);
  const double last =
      std::max(points.empty() ? 0 : points.back().x, validated.empty() ? 0 : validated.back().x);
  const double end = end_of_steps(last, static_cast<double>(snapshot.steps));
  const double spacing = (axis.high - axis.low) / std::max(1, plot.rows - 1);
  const auto label = [&](int row, double value) {
    screen.put(area.row + row, 0, fmt::format("{:>7}", io::tick_label(value, spacing)), Style::dim);
  };
  label(0, axis.high);
  if (plot.rows > 2) label(plot.rows - 1, axis.low);
  for (int row = 0; row < plot.rows; ++row)
    screen.put(area.row + row, kPlotLeft - 1, "│", Style::dim);
  screen.put(area.row + plot.rows, kPlotLeft - 1, "└", Style::dim);
  for (int column = kPlotLeft; column < area.columns; ++column)
    screen.put(area.row + plot.rows, column, "─", Style::dim);
  const std::string right = " " + io::rounded_with_thousands(end);
  screen.put(area.row + plot.rows, kPlotLeft, "0 ", Style::dim);
  screen.put(area.row + plot.rows, area.columns - static_cast<int>(right.size()), right,
             Style::dim);
  draw_curve(screen, plot, validated, end, axis, Style::warning);
  draw_curve(screen, plot, points, end, axis, Style::curve);
}

void draw_bar(Screen& screen, int row, int column, int width, const PhaseSeconds& phases) {
  const double all = std::accumulate(phases.begin(), phases.end(), 0.0);
  if (all <= 0 || width <= 0) return;
  double sum = 0;
  int at = 0;
  for (std::size_t i = 0; i < kPhases; ++i) {
    sum += phases[i];
    const auto end = static_cast<int>(std::lround(sum / all * width));
    for (; at < end; ++at)
      screen.set(row, column + at, {static_cast<char32_t>(kNames[i][0]), phase_style(i)});
  }
}

void draw_ranks_title(Screen& screen, int row, const Snapshot& snapshot) {
  std::set<std::string> hosts;
  for (const auto& rank : snapshot.ranks) hosts.insert(rank.host);
  std::string text =
      fmt::format("{} on {}", counted(snapshot.size, "rank"), counted(std::ssize(hosts), "host"));
  const auto unknown = snapshot.size - std::ssize(snapshot.ranks);
  if (unknown > 0) text += fmt::format(", {} without a record", unknown);
  int column = screen.put_words(row, 0, text, Style::bold) + 2;
  for (std::size_t i = 0; i + 1 < kPhases; ++i) {
    column = screen.put(row, column, kNames[i].substr(0, 1), phase_style(i));
    column = screen.put(row, column, kNames[i].substr(1), Style::dim) + 1;
  }
}

// Columns of a row of ranks: label, host, bar and note, of which a narrow screen drops some.
void draw_rank_row(Screen& screen, int row, const RankRow& rank) {
  const int columns = screen.columns();
  int column =
      screen.put(row, 1, rank.label.substr(0, 10), rank.is_bad ? Style::bad : Style::plain);
  column = std::max(column + 1, columns < 40 ? 5 : 11);
  if (columns >= 60) {
    screen.put(row, column, rank.host.substr(0, 12), Style::dim);
    column += 13;
  }
  const int note = std::min(30, (columns - column) / 2);
  const int width = columns >= 40 ? columns - column - (rank.note.empty() ? 0 : note + 1) : 0;
  draw_bar(screen, row, column, width, rank.phases);
  if (width > 0) column += width + 1;
  screen.put_words(row, column, rank.note, rank.is_bad ? Style::bad : Style::warning);
}

std::string storage_text(const Snapshot& snapshot, int columns) {
  const auto& checkpoints = snapshot.checkpoints;
  Parts parts(columns);
  parts.add(checkpoints.newest ? counted(checkpoints.count, "checkpoint") : "no checkpoint");
  if (checkpoints.newest)
    parts.add("the newest of step " + io::with_thousands(*checkpoints.newest), ", ");
  if (checkpoints.is_saving) parts.add("one being written", ", ");
  int64_t most = 0, sum = 0;
  for (const auto& rank : snapshot.ranks) {
    most = std::max(most, rank.resident_bytes);
    sum += rank.resident_bytes;
  }
  if (most <= 0) return parts.text();
  parts.add(fmt::format("memory {} per rank", readable_bytes(most)), "   ");
  parts.add(readable_bytes(sum) + " in all", ", ");
  if (snapshot.group_limit_bytes)
    parts.add(fmt::format("{} of {} used", readable_bytes(*snapshot.group_bytes),
                          readable_bytes(*snapshot.group_limit_bytes)),
              ", ");
  return parts.text();
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t begin = 0, end; (end = text.find('\n', begin)) != std::string::npos;
       begin = end + 1)
    lines.push_back(text.substr(begin, end - begin));
  return lines;
}

// The first cause, else what could not be read, in at most `rows` rows.
int draw_diagnosis(Screen& screen, int row, int rows, const Snapshot& snapshot) {
  const bool has_cause = !snapshot.diagnosis.empty();
  std::string text = has_cause ? snapshot.code + ": " + snapshot.diagnosis : "nothing is wrong";
  if (!has_cause && !snapshot.remark.empty()) text = "not read: " + snapshot.remark;
  const auto width = static_cast<std::size_t>(std::max(10, screen.columns()));
  const auto lines = lines_of(explain::wrapped(text, 0, 2, width));
  const int shown = std::min<int>(rows, static_cast<int>(lines.size()));
  for (int i = 0; i < shown; ++i) {
    const bool is_cut = i + 1 == shown && shown < std::ssize(lines);
    const int column =
        screen.put(row + i, 0,
                   fitting_words(lines[static_cast<std::size_t>(i)], screen.columns() - 2 * is_cut),
                   has_cause ? Style::warning : Style::dim);
    if (is_cut) screen.put(row + i, column, " …", Style::warning);
  }
  return shown;
}

void draw_footer(Screen& screen, const Footer& footer) {
  const int row = screen.rows() - 1;
  int column = footer.has_keys ? screen.put(row, 0, "q quit  space pause", Style::dim) : 0;
  if (footer.is_paused) column = screen.put(row, column + 2, "paused", Style::bold);
  if (footer.silent_seconds >= kSilentSeconds)
    screen.put_words(row, column + 2,
                     fmt::format("storage has not responded for {:.0f} s", footer.silent_seconds),
                     Style::bad);
}

// What each part of the screen shows; the other parts have a row each.
struct Layout {
  std::vector<RankRow> ranks = {};  // none: the screen is too small
  int plot = 0;                     // rows
  int diagnosis = 1;                // rows
};

Layout layout_of(int rows, const std::vector<RankState>& ranks) {
  Layout layout;
  constexpr int kFixed = 6;  // title, progress, metrics, title of the ranks, storage, footer
  int left = rows - kFixed - layout.diagnosis;
  if (left >= 10) {
    layout.diagnosis = 2;
    --left;
  }
  if (left <= 0) return layout;
  const int most = left / 2 >= kLeastPlotRows ? left / 2 : left;
  layout.ranks = rank_rows(ranks, static_cast<std::size_t>(most));
  layout.plot = left - static_cast<int>(layout.ranks.size());
  if (layout.plot < kLeastPlotRows) layout.plot = 0;
  return layout;
}

}  // namespace

void draw(Screen& screen, const Snapshot& snapshot, const Footer& footer) {
  screen.clear();
  const Layout layout = layout_of(screen.rows(), snapshot.ranks);
  draw_title(screen, snapshot);
  screen.put_words(1, 0, progress_text(snapshot, screen.columns()));
  screen.put_words(2, 0, metrics_text(snapshot, screen.columns()));
  int row = 3;
  if (layout.plot > 0) draw_plot(screen, snapshot, {row, 0, layout.plot, screen.columns()});
  row += layout.plot;
  if (!layout.ranks.empty()) {
    draw_ranks_title(screen, row++, snapshot);
    for (const auto& rank : layout.ranks) draw_rank_row(screen, row++, rank);
  }
  screen.put_words(row++, 0, storage_text(snapshot, screen.columns()));
  draw_diagnosis(screen, row, std::min(layout.diagnosis, screen.rows() - 1 - row), snapshot);
  draw_footer(screen, footer);
}

void draw_waiting(Screen& screen, const std::string& directory, double silent_seconds) {
  screen.clear();
  screen.put(0, 0, directory, Style::bold);
  screen.put(1, 0, fmt::format("reading, for {:.0f} s", silent_seconds), Style::dim);
  draw_footer(screen, {.silent_seconds = silent_seconds});
}

std::string line_of(const Snapshot& snapshot) {
  std::string line = snapshot.steps > 0 ? io::plain_progress_line(progress_of(snapshot))
                                        : progress_text(snapshot, 80);
  if (snapshot.state != Snapshot::State::running)
    line += fmt::format("  {}", name_of(snapshot.state));
  std::vector<int> behind;
  for (const auto& rank : snapshot.ranks) {
    if (is_bad(rank)) behind.push_back(rank.rank);
  }
  if (!behind.empty()) line += "  behind: " + io::list_of(behind);
  if (!snapshot.code.empty()) line += "  " + snapshot.code;
  return line;
}

}  // namespace ripieno::tools::watch
