// LossOutliers: finds a loss that is far above those of the steps before. Used by RunMetrics.
#pragma once

#include <array>
#include <cstddef>
#include <optional>

namespace ripieno {

class LossOutliers {
 public:
  static constexpr std::size_t kWindow = 128, kLeast = 32;

  // `factor`: see SafetyOptions::loss_outlier_factor; 0: nothing is an outlier.
  explicit LossOutliers(double factor) : factor_(factor) {}

  // What a loss is compared to.
  struct Usual {
    double median = 0, spread = 0;
  };
  // What the loss of a step is an outlier to; empty if it is none, and for the first 32 losses.
  // Adds it to the window of the last 128 unless it is an outlier or not finite.
  std::optional<Usual> add(double loss);

 private:
  Usual usual() const;

  const double factor_;
  std::array<double, kWindow> window_ = {};
  std::size_t count_ = 0;  // of all losses that were added
};

}  // namespace ripieno
