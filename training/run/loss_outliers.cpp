#include "ripieno/training/run/loss_outliers.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace ripieno {
namespace {

// The standard deviation of a normal distribution, in median absolute deviations.
constexpr double kDeviations = 1.4826;
// Of a loss that hardly varies, so that its noise is no outlier.
constexpr double kLeastSpread = 0.02;

double median_of(std::vector<double> values) {
  const auto middle = values.begin() + std::ssize(values) / 2;
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace

std::optional<LossOutliers::Usual> LossOutliers::add(double loss) {
  if (factor_ == 0 || !std::isfinite(loss)) return std::nullopt;
  if (count_ >= kLeast) {
    const Usual known = usual();
    if (loss > known.median + factor_ * known.spread) return known;
  }
  window_[count_++ % kWindow] = loss;
  return std::nullopt;
}

// Both are medians, which outliers in the window do not move.
LossOutliers::Usual LossOutliers::usual() const {
  const auto size = static_cast<std::ptrdiff_t>(std::min(count_, kWindow));
  std::vector<double> values(window_.begin(), window_.begin() + size);
  const double median = median_of(values);
  for (double& value : values) value = std::abs(value - median);
  return {median,
          std::max(kDeviations * median_of(std::move(values)), kLeastSpread * std::abs(median))};
}

}  // namespace ripieno
