#include "ripieno/tools/watch/plot.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace ripieno::tools::watch {
namespace {

// Bounds within which the arithmetic of an axis does not overflow.
constexpr double kLargest = 1e300;

// Dots in a grid that is finer than the cells of the area.
class Dots {
 public:
  Dots(const Area& area, bool braille)
      : area_(area),
        wide_(braille ? 2 : 1),
        high_(braille ? 4 : 1),
        bits_(static_cast<std::size_t>(std::max(0, area.rows) * std::max(0, area.columns))) {}

  int columns() const { return area_.columns * wide_; }
  int rows() const { return area_.rows * high_; }

  void set(int column, int row) {
    // The bits of a braille character: its left column, its right one, from the top.
    constexpr uint8_t kBits[4][2] = {{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}};
    if (column < 0 || column >= columns() || row < 0 || row >= rows()) return;
    bits_[static_cast<std::size_t>(row / high_ * area_.columns + column / wide_)] |=
        kBits[row % high_][column % wide_];
  }

  void draw(Screen& screen, Style style) const {
    for (std::size_t i = 0; i < bits_.size(); ++i) {
      if (bits_[i] == 0) continue;
      const auto columns = static_cast<std::size_t>(area_.columns);
      const char32_t character = wide_ == 1 ? U'*' : char32_t{0x2800} + bits_[i];
      screen.set(area_.row + static_cast<int>(i / columns),
                 area_.column + static_cast<int>(i % columns), {character, style});
    }
  }

 private:
  Area area_;
  int wide_, high_;
  std::vector<uint8_t> bits_;
};

}  // namespace

double end_of_steps(double last, double planned) {
  double end = 100;
  while (end < last) end *= 1.3;
  end = std::ceil(end / 10) * 10;
  return planned >= last && planned > 0 ? std::min(end, planned) : end;
}

Axis axis_of(const std::vector<io::ChartPoint>& points, int rows) {
  if (points.empty()) return {};
  const auto [low, high] =
      std::minmax_element(points.begin(), points.end(), [](auto a, auto b) { return a.y < b.y; });
  const double least = std::clamp(low->y, -kLargest, kLargest);
  double most = std::clamp(high->y, -kLargest, kLargest);
  const double least_height = std::max(std::abs(least) * 1e-9, 1e-290);
  if (most - least < least_height) most = least + std::max(std::abs(least) * 0.1, 1e-3);
  const auto ticks = io::round_ticks(least, most, std::clamp(rows / 2, 2, 6));
  return {ticks.front(), ticks.back()};
}

void draw_curve(Screen& screen, const Area& area, const std::vector<io::ChartPoint>& points,
                double x_end, const Axis& y, Style style) {
  if (area.rows <= 0 || area.columns <= 0) return;
  Dots dots(area, screen.utf8());
  const auto column_of = [&](double x) {
    return static_cast<int>(std::clamp(x / x_end, 0.0, 1.0) * (dots.columns() - 1));
  };
  const auto row_of = [&](double value) {
    const double share = (y.high - std::clamp(value, -kLargest, kLargest)) / (y.high - y.low);
    return static_cast<int>(std::lround(std::clamp(share, 0.0, 1.0) * (dots.rows() - 1)));
  };
  for (std::size_t i = 0; i < points.size(); ++i) {
    const int column = column_of(points[i].x), row = row_of(points[i].y);
    const int from_column = i == 0 ? column : column_of(points[i - 1].x);
    const int from_row = i == 0 ? row : row_of(points[i - 1].y);
    const int length = std::max({1, column - from_column, std::abs(row - from_row)});
    for (int part = 0; part <= length; ++part)
      dots.set(from_column + (column - from_column) * part / length,
               from_row + (row - from_row) * part / length);
  }
  dots.draw(screen, style);
}

}  // namespace ripieno::tools::watch
