// Cross entropy of logits against target classes: a sum and a count, and the gradient of the sum.
#pragma once

#include <cstdint>

#include "ripieno/kernels/element_types.h"
#include "ripieno/kernels/execution.h"

namespace ripieno::kernels {

// *loss_sum = sum over rows of log(sum(exp(logits[r, :]))) - logits[r, targets[r]]; *count = the
// rows summed. Rows whose target is `ignored` are left out; a target outside [0, classes) that is
// not `ignored` makes the loss NaN. logits: (rows, classes); targets: (rows); log_sum_exp: (rows),
// written, kept for the backward; row_losses: (rows), workspace.
template <typename T>
void cross_entropy_forward(OnCpu, accumulator_t<T>* loss_sum, accumulator_t<T>* count,
                           accumulator_t<T>* log_sum_exp, accumulator_t<T>* row_losses,
                           const T* logits, const int32_t* targets, int64_t rows, int64_t classes,
                           int32_t ignored);
template <typename T>
void cross_entropy_forward(OnCuda, accumulator_t<T>* loss_sum, accumulator_t<T>* count,
                           accumulator_t<T>* log_sum_exp, accumulator_t<T>* row_losses,
                           const T* logits, const int32_t* targets, int64_t rows, int64_t classes,
                           int32_t ignored);

// grad_logits[r, c] = *grad_loss * (exp(logits[r, c] - log_sum_exp[r]) - [c == targets[r]]); 0 in
// ignored rows. grad_logits may alias logits.
template <typename T>
void cross_entropy_backward(OnCpu, T* grad_logits, const accumulator_t<T>* grad_loss,
                            const T* logits, const int32_t* targets,
                            const accumulator_t<T>* log_sum_exp, int64_t rows, int64_t classes,
                            int32_t ignored);
template <typename T>
void cross_entropy_backward(OnCuda, T* grad_logits, const accumulator_t<T>* grad_loss,
                            const T* logits, const int32_t* targets,
                            const accumulator_t<T>* log_sum_exp, int64_t rows, int64_t classes,
                            int32_t ignored);

}  // namespace ripieno::kernels
