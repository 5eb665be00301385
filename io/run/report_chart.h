// Line charts as inline SVG, for the report. Colors come from the page's style sheet, so that they
// follow light and dark mode.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ripieno::io {

struct ChartPoint {
  double x = 0;
  double y = 0;
};

struct Curve {
  std::string style = {};  // CSS class: "raw", "smooth", "validation"
  std::vector<ChartPoint> points = {};
  bool dots = false;        // whether each point has a dot with a tooltip
  bool mark_least = false;  // whether the lowest point is labeled
};

struct Chart {
  int width = 960;
  int height = 340;
  std::string label = {};  // description for screen readers (aria-label)
  std::vector<Curve> curves = {};
  std::vector<double> faults = {};  // x values marked with a red cross at the top
  int x_ticks = 8;                  // approximate number of ticks
  int y_ticks = 6;
  bool from_zero = false;  // whether the vertical axis includes 0
};

// An <svg> element; empty if no curve has points.
std::string line_chart(const Chart& chart);

// Reduces a curve to at most 2 * `bins` points, the lowest and highest of each bin, which looks the
// same when drawn.
std::vector<ChartPoint> thinned(const std::vector<ChartPoint>& points, std::size_t bins);
// Exponential moving average over about `window` points, fewer near the start.
std::vector<ChartPoint> smoothed(const std::vector<ChartPoint>& points, double window);

// About `count` round numbers that cover [low, high]; their spacing is 1, 2 or 5 times a power of
// ten.
std::vector<double> round_ticks(double low, double high, int count);
// "1,500", "0.25", "2.5e-05", "1.5e+25": with the fewest digits that distinguish ticks with this
// spacing.
std::string tick_label(double value, double spacing);

}  // namespace ripieno::io
