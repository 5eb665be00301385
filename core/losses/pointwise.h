// Losses that are sums over the elements of a prediction and a target: errors for regression,
// binary cross entropy, and the Kullback-Leibler divergence.
//
// Prediction and target have one shape and device, and each a floating-point type; both may require
// gradients. Throws Error for others: nothing is broadcast. Each is one kernel that stores no
// terms; it computes in float32 (float64 for a float64 prediction).
#pragma once

#include "ripieno/core/loss.h"

namespace ripieno {

struct PointwiseOptions {
  // Factors of the terms, such as a mask of 0 and 1, of a shape that broadcasts to that of the
  // prediction; without gradient. The count is then their sum. Undefined: 1.
  Tensor weights = {};
};

// The sum of |prediction - target|.
Loss l1_loss(const Tensor& prediction, const Tensor& target, const PointwiseOptions& options = {});

// Quadratic, d^2 / 2, for differences d of less than `width`, and linear beyond, with continuous
// derivative: width (|d| - width / 2) (Huber, 1964). Throws Error unless width is above 0.
Loss huber_loss(const Tensor& prediction, const Tensor& target, double width = 1.0,
                const PointwiseOptions& options = {});

// huber_loss() / width: its slope is +-1 beyond `width`. With 0 it is l1_loss(). Throws Error for a
// negative width.
Loss smooth_l1_loss(const Tensor& prediction, const Tensor& target, double width = 1.0,
                    const PointwiseOptions& options = {});

struct BinaryCrossEntropyOptions {
  // See PointwiseOptions.
  Tensor weights = {};
  // (classes), the size of the last axis, or one element: factors on the terms of targets of 1;
  // without gradient. Undefined: 1.
  Tensor positive_weights = {};
};

// The sum of -p t log(s) - (1 - t) log(1 - s), where s = sigmoid(logits), t are the targets in
// [0, 1] and p is the positive weight; computed from the logits without overflow.
Loss binary_cross_entropy_with_logits(const Tensor& logits, const Tensor& targets,
                                      const BinaryCrossEntropyOptions& options = {});

// The divergence of distributions over the last axis: the sum of t (log(t) - prediction), where
// `prediction` are log-probabilities and t the target's probabilities, or the target's
// log-probabilities if `target_is_log`. The count is the number of distributions. A probability of
// 0 has no term.
Loss kl_divergence(const Tensor& prediction, const Tensor& target, bool target_is_log = false);

}  // namespace ripieno
