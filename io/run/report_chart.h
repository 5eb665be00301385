// Line charts as inline SVG, for the report. Colours come from the page's style, so that they
// follow light and dark.
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
  std::string style = {};  // the class of its line: "train", "smooth", "validation", …
  std::vector<ChartPoint> points = {};
  bool dots = false;        // a dot, which tells its numbers, at each point
  bool mark_least = false;  // a label at the lowest point
};

struct Chart {
  int width = 960;
  int height = 340;
  std::string label = {};  // what it shows, for who cannot see it
  std::vector<Curve> curves = {};
  std::vector<double> faults = {};  // where a red cross stands, at the top
  int x_ticks = 8;
  int y_ticks = 6;
  bool from_zero = false;  // the vertical axis begins at 0
};

// An <svg> element; empty where no curve has a point.
std::string line_chart(const Chart& chart);

// At most about 2 * `buckets` points, the lowest and the highest of each stretch: the curve looks
// the same.
std::vector<ChartPoint> thinned(const std::vector<ChartPoint>& points, std::size_t buckets);
// The exponential moving average over about `window` points, over fewer near the start.
std::vector<ChartPoint> smoothed(const std::vector<ChartPoint>& points, double window);

// Round numbers that cover [low, high], about `count` of them: 1, 2 or 5 times a power of ten
// apart.
std::vector<double> round_ticks(double low, double high, int count);
// "1,500", "0.25", "2.5e-05", "1.5e+25": as few digits as tell a number from its neighbours
// `spacing` away.
std::string tick_label(double value, double spacing);

}  // namespace ripieno::io
