// Cross entropy with class weights, label smoothing, or probabilities as targets, of logits or of
// log-probabilities; cross_entropy.h has the plain one, which is faster.
//
// The loss of a row is the sum over c of q[c] (log(sum(exp(logits))) - logits[c]), where q[c] is
// the class's weight times its target probability: with smoothing s, (1 - s) [c == target] + s /
// classes, or (1 - s) probabilities[c] + s / classes. So smoothing is weighted by class, as in
// PyTorch. Of log-probabilities (negative log-likelihood), the first term is absent.
#pragma once

#include <cstdint>

#include "ripieno/kernels/cross_entropy.h"
#include "ripieno/kernels/element_types.h"
#include "ripieno/kernels/execution.h"

namespace ripieno::kernels {

// Rows whose target is `ignored` have loss, count and gradient 0. A row whose target is neither
// `ignored` nor in [0, classes) has loss NaN and gradient 0.
template <typename T>
struct WeightedCrossEntropy {
  const T* logits = nullptr;
  const int32_t* targets = nullptr;                 // (rows), or null:
  const T* probabilities = nullptr;                 // (rows, classes)
  const accumulator_t<T>* class_weights = nullptr;  // (classes), or null: 1
  int64_t rows = 0, classes = 0;
  int32_t ignored = -1;
  double smoothing = 0.0;
  bool is_normalized = false;  // logits are log-probabilities
};

// row_losses, row_counts: (rows); a count is the weight of the row's target, or 1 with
// probabilities. statistics: (rows, 3), for the backward: the largest logit,
// log(sum(exp(logits - largest))), and the sum of q.
template <typename T>
void weighted_cross_entropy_forward(OnCpu, accumulator_t<T>* row_losses,
                                    accumulator_t<T>* row_counts, accumulator_t<T>* statistics,
                                    const WeightedCrossEntropy<T>& of);
template <typename T>
void weighted_cross_entropy_forward(OnCuda, accumulator_t<T>* row_losses,
                                    accumulator_t<T>* row_counts, accumulator_t<T>* statistics,
                                    const WeightedCrossEntropy<T>& of);

// The gradients, (rows, classes), times *grad_loss; each may be null if not needed.
// grad_probabilities requires probabilities.
template <typename T>
void weighted_cross_entropy_backward(OnCpu, T* grad_logits, T* grad_probabilities,
                                     const accumulator_t<T>* grad_loss,
                                     const accumulator_t<T>* statistics,
                                     const WeightedCrossEntropy<T>& of);
template <typename T>
void weighted_cross_entropy_backward(OnCuda, T* grad_logits, T* grad_probabilities,
                                     const accumulator_t<T>* grad_loss,
                                     const accumulator_t<T>* statistics,
                                     const WeightedCrossEntropy<T>& of);

}  // namespace ripieno::kernels
