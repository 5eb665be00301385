// LossScaling: dynamic loss scaling for float16, and the skipping of bad steps. The scale is halved
// when a gradient is not finite, and doubled after a number of good steps (Micikevicius et al.,
// 2018, arXiv 1710.03740).
#pragma once

#include <cstdint>

#include "ripieno/core/tensor.h"
#include "ripieno/kernels/optimizer.h"

namespace ripieno::optim {

// The state of loss scaling and skipping that is kept between steps.
using LossScale = kernels::LossScale;

class LossScaling {
 public:
  explicit LossScaling(bool scales) : scales_(scales) {}
  // Skips steps that are not finite, with a fixed scale of 1 unless the loss is scaled, and, unless
  // the factor is 0, outliers (kernels::LossScale).
  void skip_bad_steps(double outlier_factor);
  // Whether a step can be skipped.
  bool is_enabled() const { return scales_ || skips_; }

  // Creates the state, with `steps` steps taken, if there is none; otherwise moves it to `device`.
  void to(Device device, int64_t steps);
  // The scale as a float32 scalar, to seed backward(); undefined, which means 1, if the loss is not
  // scaled. A view of the state, which each step updates in place.
  Tensor scale() const;
  // The state in device memory, for kernels; null if disabled.
  LossScale* on_device() const;
  // Copies the state to the host. Waits for the device.
  LossScale read() const;
  // Replaces the state, except for its options. Does nothing if disabled.
  void write(Device device, const LossScale& state);

 private:
  bool scales_, skips_ = false;
  double outlier_factor_ = 0.0;
  Tensor state_;  // a LossScale
};

}  // namespace ripieno::optim
