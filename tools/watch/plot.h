// A line chart of characters: braille, eight dots in each, or asterisks on a terminal of ASCII.
#pragma once

#include <vector>

#include "ripieno/io/run/report_chart.h"
#include "ripieno/tools/watch/screen.h"

namespace ripieno::tools::watch {

struct Area {
  int row = 0, column = 0, rows = 0, columns = 0;
};

struct Axis {
  double low = 0, high = 1;
};

// The step at the right end of the axis: with room to grow, so that the curve is seldom drawn
// anew; `planned` (0: unknown) is the most.
double end_of_steps(double last, double planned);
// Round numbers around all values.
Axis axis_of(const std::vector<io::ChartPoint>& points, int rows);

// Draws the curve into the area, from x = 0 to `x_end`.
void draw_curve(Screen& screen, const Area& area, const std::vector<io::ChartPoint>& points,
                double x_end, const Axis& y, Style style);

}  // namespace ripieno::tools::watch
