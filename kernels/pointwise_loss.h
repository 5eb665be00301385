// Losses that are sums of one term per element of a prediction and a target: the sum is computed
// without storing the terms, and so are the gradients.
#pragma once

#include <cstdint>

#include "ripieno/kernels/element_types.h"
#include "ripieno/kernels/execution.h"
#include "ripieno/kernels/reduce.h"

namespace ripieno::kernels {

enum class PointwiseLoss {
  kSquared,
  kAbsolute,
  kHuber,
  kSmoothL1,
  kBinaryCrossEntropy,  // of logits
  kDivergence,          // of log-probabilities from probabilities
  kDivergenceOfLogs     // of log-probabilities from log-probabilities
};

template <typename T>
struct PointwiseTerms {
  PointwiseLoss loss = PointwiseLoss::kSquared;
  const T* predictions = nullptr;  // (size)
  const T* targets = nullptr;      // (size)
  int64_t size = 0;
  const accumulator_t<T>* weights = nullptr;           // (size), or null: 1
  const accumulator_t<T>* positive_weights = nullptr;  // (classes), of element i % classes, or null
  int64_t classes = 1;
  double width = 1.0;  // of the quadratic part of kHuber and kSmoothL1; above 0
};

// partials[i] = sum of the terms of elements i kSumChunk to (i + 1) kSumChunk - 1.
template <typename T>
void pointwise_loss_partials(OnCpu, double* partials, const PointwiseTerms<T>& terms);
template <typename T>
void pointwise_loss_partials(OnCuda, double* partials, const PointwiseTerms<T>& terms);

// The gradients, times *grad_loss; each (size), or null if not needed.
template <typename T>
void pointwise_loss_backward(OnCpu, T* grad_predictions, T* grad_targets,
                             const accumulator_t<T>* grad_loss, const PointwiseTerms<T>& terms);
template <typename T>
void pointwise_loss_backward(OnCuda, T* grad_predictions, T* grad_targets,
                             const accumulator_t<T>* grad_loss, const PointwiseTerms<T>& terms);

}  // namespace ripieno::kernels
