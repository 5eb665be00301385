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

struct CrossEntropyOptions {
  // The share of the target's probability that is spread evenly over all classes, in [0, 1]
  // (Szegedy et al., 2016, arXiv 1512.00567).
  double label_smoothing = 0.0;
  // (classes), of any floating-point type, without gradient: factors of the terms of each class.
  // Undefined: 1.
  Tensor class_weights = {};
  int32_t ignored = kIgnoredTarget;
};

// The same with options, as PyTorch defines them; targets may also be probabilities, (…, classes)
// of the logits' type, which may require a gradient. The count is the sum of the weights of the
// targets, or with probabilities the number of rows. Throws Error for smoothing outside [0, 1] and
// weights of another shape.
Loss cross_entropy(const Tensor& logits, const Tensor& targets, const CrossEntropyOptions& options);

// The sum of -log_probabilities[target], weighted as above, for outputs of log_softmax(). Class
// targets only; label_smoothing must be 0.
Loss negative_log_likelihood(const Tensor& log_probabilities, const Tensor& targets,
                             const CrossEntropyOptions& options = {});

// Checks of targets, for operations that compute a cross entropy: throws Error unless they are
// int32, and checks their range as cross_entropy() does.
void require_targets(const char* operation, const Tensor& targets, int64_t classes,
                     int32_t ignored);
// The sum and count of losses that a kernel wrote per row, float32 or float64, (rows); not
// recorded.
Loss sum_of_rows(const Tensor& row_losses, const Tensor& targets, int32_t ignored);

}  // namespace ripieno
