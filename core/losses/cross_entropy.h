// Cross entropy of logits against target classes: a sum and a count.
#pragma once

#include "ripieno/core/tensor.h"

namespace ripieno {

// A loss summed over what it covers. Kept apart from its count so that means are right however a
// batch is cut over micro-batches and ranks.
struct Loss {
  Tensor sum;    // scalar; has the gradient
  Tensor count;  // scalar, of the sum's element type: the targets that are not ignored

  // sum / count, as a number: waits for the device. Throws DataError for ids and targets out of
  // range that it met (device_faults.h).
  double mean() const;
};

inline constexpr int32_t kIgnoredTarget = -1;

// logits: (…, classes); targets: (…), int32. Targets equal to `ignored` are left out. Any other
// target outside [0, classes) throws DataError on the CPU; on a GPU it makes the loss NaN, has no
// gradient, and is told later (device_faults.h).
Loss cross_entropy(const Tensor& logits, const Tensor& targets, int32_t ignored = kIgnoredTarget);

// For operations that end in a cross entropy: what it demands of its targets.
void require_targets(const char* operation, const Tensor& targets, int64_t classes,
                     int32_t ignored);
// The sum and the count of losses that a kernel wrote row by row, not recorded.
Loss sum_of_rows(const Tensor& row_losses, const Tensor& targets, int32_t ignored);

}  // namespace ripieno
