#include "ripieno/io/run/report_chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>

#include "ripieno/io/run/progress.h"

namespace ripieno::io {
namespace {

constexpr double kLeft = 58, kRight = 18, kTop = 14, kBottom = 30;  // margins for axis labels

// Bounds within which the arithmetic of an axis does not overflow or underflow.
constexpr double kLargest = 1e300, kSmallest = 1e-290;

struct Interval {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();

  void add(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
};

// Maps values to coordinates of the drawing.
struct Scale {
  Interval from;
  double begin, end;

  double operator()(double value) const {
    return begin + (value - from.low) / (from.high - from.low) * (end - begin);
  }
};

struct Frame {
  Scale x, y;
  std::vector<double> x_ticks, y_ticks;
};

bool lies_in(double value, const Interval& interval) {
  const double slack = (interval.high - interval.low) * 1e-9;
  return value >= interval.low - slack && value <= interval.high + slack;
}

Frame frame_of(const Chart& chart) {
  Interval x, y;
  for (const Curve& curve : chart.curves) {
    for (const ChartPoint point : curve.points) {
      x.add(point.x);
      y.add(point.y);
    }
  }
  for (const double fault : chart.faults) x.add(fault);
  if (chart.from_zero) y.add(0);
  if (x.low == x.high) x.high += 1;
  y.low = std::clamp(y.low, -kLargest, kLargest);
  y.high = std::clamp(y.high, -kLargest, kLargest);
  // The axis must not be empty if all values are equal or differ only in their last digits.
  const double least_height = std::max(std::abs(y.low) * 1e-12, kSmallest);
  if (y.high - y.low < least_height)
    y.high += std::abs(y.low) < kSmallest ? 1 : std::abs(y.low) * 0.1;
  Frame frame;
  frame.x_ticks = round_ticks(x.low, x.high, chart.x_ticks);
  frame.y_ticks = round_ticks(y.low, y.high, chart.y_ticks);
  // The vertical axis ends at ticks, the horizontal one at the first and last step.
  frame.y = {{frame.y_ticks.front(), frame.y_ticks.back()}, chart.height - kBottom, kTop};
  frame.x = {x, kLeft, chart.width - kRight};
  // Steps are whole numbers.
  std::erase_if(frame.x_ticks,
                [&](double tick) { return !lies_in(tick, x) || tick != std::floor(tick); });
  return frame;
}

double spacing_of(const std::vector<double>& ticks) {
  return ticks.size() < 2 ? 1 : ticks[1] - ticks[0];
}

void draw_axes(std::string& svg, const Frame& frame, const Chart& chart) {
  const auto out = std::back_inserter(svg);
  for (const double tick : frame.y_ticks) {
    const double y = frame.y(tick);
    fmt::format_to(out, R"(<line class="grid" x1="{:.1f}" x2="{:.1f}" y1="{:.1f}" y2="{:.1f}"/>)",
                   kLeft, chart.width - kRight, y, y);
    fmt::format_to(out, R"(<text class="tick" x="{:.1f}" y="{:.1f}" text-anchor="end">{}</text>)",
                   kLeft - 8, y + 4, tick_label(tick, spacing_of(frame.y_ticks)));
  }
  fmt::format_to(out, R"(<text class="tick x" x="{:.1f}" y="{:.1f}" text-anchor="end">step</text>)",
                 kLeft - 8, chart.height - kBottom + 20);
  for (const double tick : frame.x_ticks) {
    fmt::format_to(out,
                   R"(<text class="tick x" x="{:.1f}" y="{:.1f}" text-anchor="middle">{}</text>)",
                   frame.x(tick), chart.height - kBottom + 20, tick_label(tick, 1));
  }
}

void draw_curve(std::string& svg, const Frame& frame, const Curve& curve) {
  const auto out = std::back_inserter(svg);
  fmt::format_to(out, R"(<polyline class="curve {}" points=")", curve.style);
  for (const ChartPoint point : curve.points)
    fmt::format_to(out, "{:.1f},{:.1f} ", frame.x(point.x),
                   frame.y(std::clamp(point.y, -kLargest, kLargest)));
  svg += R"("/>)";
  if (!curve.dots) return;
  for (const ChartPoint point : curve.points) {
    fmt::format_to(
        out,
        R"(<circle class="dot {}" cx="{:.1f}" cy="{:.1f}" r="3.5"><title>step {}: {:.4f}</title></circle>)",
        curve.style, frame.x(point.x), frame.y(point.y), rounded_with_thousands(point.x), point.y);
  }
}

void draw_least(std::string& svg, const Frame& frame, const Chart& chart, const Curve& curve) {
  const auto least = std::min_element(curve.points.begin(), curve.points.end(),
                                      [](ChartPoint a, ChartPoint b) { return a.y < b.y; });
  const double x = frame.x(least->x), y = frame.y(least->y);
  const bool at_the_end = x > chart.width - 120;
  fmt::format_to(
      std::back_inserter(svg),
      R"(<circle class="ring {}" cx="{:.1f}" cy="{:.1f}" r="7"/>)"
      R"(<text class="mark {}" x="{:.1f}" y="{:.1f}" text-anchor="{}">best {:.4f}</text>)",
      curve.style, x, y, curve.style, at_the_end ? x + 4 : x, y - 14, at_the_end ? "end" : "middle",
      least->y);
}

void draw_fault(std::string& svg, double x) {
  constexpr double kTopEdge = kTop + 2, kSize = 4;
  fmt::format_to(
      std::back_inserter(svg),
      R"(<path class="cross" d="M{0:.1f} {2:.1f}L{1:.1f} {3:.1f}M{1:.1f} {2:.1f}L{0:.1f} {3:.1f}"/>)",
      x - kSize, x + kSize, kTopEdge, kTopEdge + 2 * kSize);
}

}  // namespace

std::string line_chart(const Chart& chart) {
  Chart drawn = chart;
  std::erase_if(drawn.curves, [](const Curve& curve) { return curve.points.empty(); });
  if (drawn.curves.empty()) return "";
  const Frame frame = frame_of(drawn);
  std::string svg =
      fmt::format(R"(<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">)",
                  chart.width, chart.height, chart.label);
  draw_axes(svg, frame, drawn);
  for (const Curve& curve : drawn.curves) draw_curve(svg, frame, curve);
  for (const Curve& curve : drawn.curves) {
    if (curve.mark_least) draw_least(svg, frame, drawn, curve);
  }
  for (const double fault : drawn.faults) draw_fault(svg, frame.x(fault));
  return svg + "</svg>";
}

std::vector<ChartPoint> thinned(const std::vector<ChartPoint>& points, std::size_t bins) {
  if (points.size() <= 2 * bins) return points;
  std::vector<ChartPoint> kept;
  const auto lower = [](ChartPoint a, ChartPoint b) { return a.y < b.y; };
  for (std::size_t bin = 0; bin < bins; ++bin) {
    const auto begin = points.begin() + static_cast<std::ptrdiff_t>(bin * points.size() / bins);
    const auto end = points.begin() + static_cast<std::ptrdiff_t>((bin + 1) * points.size() / bins);
    auto [low, high] = std::minmax_element(begin, end, lower);
    kept.push_back(*std::min(low, high));
    if (low != high) kept.push_back(*std::max(low, high));
  }
  return kept;
}

std::vector<ChartPoint> smoothed(const std::vector<ChartPoint>& points, double window) {
  std::vector<ChartPoint> averages;
  double average = 0;
  for (const ChartPoint point : points) {
    // The window is shorter for the first points, where the curve is steepest, to avoid a lag.
    const double over =
        std::clamp(static_cast<double>(averages.size()) / 8, 1.0, std::max(1.0, window));
    average += (point.y - average) / over;
    averages.push_back({point.x, average});
  }
  return averages;
}

std::vector<double> round_ticks(double low, double high, int count) {
  const double least_spacing = (high - low) / std::max(1, count);
  const double power = std::pow(10.0, std::floor(std::log10(least_spacing)));
  double spacing = 10 * power;
  for (const double factor : {5.0, 2.0, 1.0}) {
    if (factor * power >= least_spacing) spacing = factor * power;
  }
  const auto first = static_cast<int64_t>(std::floor(low / spacing + 1e-9));
  const auto last = static_cast<int64_t>(std::ceil(high / spacing - 1e-9));
  std::vector<double> ticks;
  for (int64_t i = first; i <= last; ++i) ticks.push_back(static_cast<double>(i) * spacing);
  return ticks;
}

std::string tick_label(double value, double spacing) {
  if (value == 0) return "0";
  if (std::abs(value) >= 1e9) {
    const int digits = static_cast<int>(std::ceil(std::log10(std::abs(value) / spacing) - 1e-9));
    return fmt::format("{:.{}g}", value, std::clamp(digits + 1, 1, 17));
  }
  if (spacing >= 1) return rounded_with_thousands(value);
  if (spacing < 1e-3) return fmt::format("{:.2g}", value);
  return fmt::format("{:.{}f}", value, static_cast<int>(std::ceil(-std::log10(spacing) - 1e-9)));
}

}  // namespace ripieno::io
