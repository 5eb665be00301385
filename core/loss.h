// Loss: what loss functions return, and what backward() and step() of training loops take.
#pragma once

#include <cstdint>

#include "ripieno/core/tensor.h"

namespace ripieno {

// A loss as a sum and a count, kept apart so that means are correct however a batch is split into
// micro-batches and ranks.
struct Loss {
  Tensor sum;    // scalar, float32 or float64; call backward() on it
  Tensor count;  // scalar of the same element type: the number of terms in the sum

  // A loss of your own: a floating-point `sum` of one element, over `rows` rows (or other terms).
  // 16-bit sums become float32; recorded. Throws Error for other sums and for rows < 0.
  static Loss over(const Tensor& sum, int64_t rows);

  // sum / count as a number. Waits for the device. Throws DataError if the device has found ids or
  // targets out of range (device_faults.h).
  double mean() const;
};

}  // namespace ripieno
