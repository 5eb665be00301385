#include "ripieno/tools/watch/loss_curve.h"

#include <algorithm>
#include <cmath>

namespace ripieno::tools::watch {

void LossCurve::add(int64_t step, double value) {
  if (!std::isfinite(value) || step < 0) return;
  if (bins_.empty() || bins_.back().number != step / width_) {
    while (bins_.size() >= kMostBins) double_width();
    if (bins_.empty() || bins_.back().number != step / width_)
      bins_.push_back({.number = step / width_});
  }
  Bin& bin = bins_.back();
  bin.last_step = step;
  bin.sum += value;
  ++bin.count;
}

void LossCurve::cut(int64_t step) {
  while (!bins_.empty() && bins_.back().number > step / width_) bins_.pop_back();
  if (!bins_.empty()) bins_.back().last_step = std::min(bins_.back().last_step, step);
}

void LossCurve::double_width() {
  width_ *= 2;
  std::vector<Bin> merged;
  for (const Bin& bin : bins_) {
    if (merged.empty() || merged.back().number != bin.number / 2) {
      merged.push_back(bin);
      merged.back().number = bin.number / 2;
      continue;
    }
    merged.back().last_step = bin.last_step;
    merged.back().sum += bin.sum;
    merged.back().count += bin.count;
  }
  bins_ = std::move(merged);
}

std::vector<io::ChartPoint> LossCurve::points() const {
  std::vector<io::ChartPoint> points;
  points.reserve(bins_.size());
  for (const Bin& bin : bins_)
    points.push_back(
        {static_cast<double>(bin.last_step), bin.sum / static_cast<double>(bin.count)});
  return points;
}

}  // namespace ripieno::tools::watch
