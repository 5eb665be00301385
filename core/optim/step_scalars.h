// StepScalarsOnDevice: the numbers that change from step to step, in device memory, so that a step
// that was captured once can be replayed.
//
// The host writes learning rate and step number before a step; the norm of the gradients, clipping
// and the loss scale are computed on the device within it.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "ripieno/core/arena/arena.h"
#include "ripieno/core/tensor.h"
#include "ripieno/kernels/optimizer.h"

namespace ripieno::optim {

class StepScalarsOnDevice {
 public:
  // Decays of two moments that start at zero; step t is corrected for 1 - beta^t. 0: no moment.
  using Decays = std::pair<double, double>;

  void allocate(Device device, const std::vector<ElementRange>& ranges);

  // Before a step, the `steps`-th.
  void write(double learning_rate, const Decays& decays, int64_t steps) const;

  // Within a step, in this order: the squares of the gradients of each range, their sum, and what
  // follows from it. `count`: a scalar that gradients are divided by; undefined: 1.
  void measure(std::size_t range, const Tensor& gradients) const;
  const Tensor& sum_of_squares() const;  // a float64 scalar, of all ranges
  void finish(const Tensor& count, double max_norm, const Decays& decays,
              kernels::LossScale* loss_scale) const;

  // A kernels::StepScalars; undefined before allocate().
  const Tensor& tensor() const { return scalars_; }
  const kernels::StepScalars* data() const;
  // Waits for the device.
  kernels::StepScalars read() const;
  // One of its floats, as a scalar.
  Tensor scalar(float kernels::StepScalars::*member) const;

 private:
  kernels::StepScalars* writable() const;

  Device device_;
  Tensor scalars_, partial_sums_, sum_of_squares_, one_;
  Tensor squares_;  // (ranges) float64
};

}  // namespace ripieno::optim
