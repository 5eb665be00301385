// LossScaling: the factor of a float16 loss, which grows and shrinks so that gradients fit the type
// (Micikevicius et al., 2018, arXiv 1710.03740).
#pragma once

#include <cstdint>

#include "ripieno/core/tensor.h"
#include "ripieno/kernels/optimizer.h"

namespace ripieno::optim {

// What dynamic loss scaling keeps from step to step.
using LossScale = kernels::LossScale;

class LossScaling {
 public:
  explicit LossScaling(bool enabled) : enabled_(enabled) {}
  bool is_enabled() const { return enabled_; }

  // Moves the state to `device`; where there is none yet, it starts after `steps` steps.
  void to(Device device, int64_t steps);
  // A float32 scalar for backward to start from; undefined, which means 1, where disabled.
  Tensor scale() const;
  // For kernels; null where disabled.
  LossScale* on_device() const;
  // Waits for the device.
  LossScale read() const;
  void write(Device device, const LossScale& state);

 private:
  bool enabled_;
  Tensor state_;  // a LossScale
};

}  // namespace ripieno::optim
