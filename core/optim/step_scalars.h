// StepScalarsOnDevice: the scalars that change from step to step, in device memory, so that a
// captured step can be replayed.
//
// The host writes the learning rate and the step number before a step; the gradient norm, clipping
// and the loss scale are computed on the device during it.
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
  // The decay rates beta of two moments that start at zero; step t is corrected by 1 / (1 -
  // beta^t). 0: no such moment.
  using Decays = std::pair<double, double>;

  // Allocates the scalars, and workspace for measuring the gradients of `ranges`.
  void allocate(Device device, const std::vector<ElementRange>& ranges);

  // Before a step: writes the scalars that the host sets. `steps`: the number of this step, from 1.
  void write(double learning_rate, const Decays& decays, int64_t steps) const;

  // During a step, before measure(): clips each of the gradients to +-max_value times `count` and
  // the loss scale, in place.
  void clip(const Tensor& gradients, const Tensor& count, double max_value,
            const kernels::LossScale* loss_scale) const;
  // During a step, in this order: measure() for each range sums the squares of its gradients,
  // sum_of_squares() adds these up, and finish() computes the norm, clipping and the loss scale
  // from the result. `count`: a scalar that gradients are divided by; 1 if undefined.
  void measure(std::size_t range, const Tensor& gradients) const;
  const Tensor& sum_of_squares() const;  // a float64 scalar, over all ranges
  void finish(const Tensor& count, double max_norm, const Decays& decays,
              kernels::LossScale* loss_scale) const;

  // The kernels::StepScalars as a tensor; undefined before allocate().
  const Tensor& tensor() const { return scalars_; }
  const kernels::StepScalars* data() const;
  // Copies the scalars to the host. Waits for the device.
  kernels::StepScalars read() const;
  // One float of the scalars, as a float32 scalar that views it.
  Tensor scalar(float kernels::StepScalars::*member) const;

 private:
  kernels::StepScalars* writable() const;
  Tensor divisor(const Tensor& count) const;

  Device device_;
  Tensor scalars_, partial_sums_, sum_of_squares_, one_;
  Tensor squares_;  // (ranges) float64
};

}  // namespace ripieno::optim
