// cross_entropy(): the cross entropy of logits against target classes.
#pragma once

#include "ripieno/core/loss.h"

namespace ripieno {

inline constexpr int32_t kIgnoredTarget = -1;

// The sum of log(sum(exp(logits))) - logits[target] over all targets, computed in float32 (float64
// for float64 logits).
//   logits: (…, classes), of a floating-point type; targets: (…), int32
// The count is the number of targets. Those equal to `ignored` are left out of both. Any other
// target outside [0, classes) throws DataError on the CPU; on a GPU it makes the loss NaN, has no
// gradient, and is reported later (device_faults.h). Throws Error for other shapes, types and
// devices.
Loss cross_entropy(const Tensor& logits, const Tensor& targets, int32_t ignored = kIgnoredTarget);

// Checks of targets, for operations that compute a cross entropy: throws Error unless they are
// int32, and checks their range as cross_entropy() does.
void require_targets(const char* operation, const Tensor& targets, int64_t classes,
                     int32_t ignored);
// The sum and count of losses that a kernel wrote per row, float32 or float64, (rows); not
// recorded.
Loss sum_of_rows(const Tensor& row_losses, const Tensor& targets, int32_t ignored);

}  // namespace ripieno
